"""Writes test/golden/chat/tokens.json: what transformers prints for the names of special tokens in chat templates.

    bench/peers/.venv/bin/python bench/peers/chat_tokens.py
"""

import json
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

GOLDEN = Path(__file__).parents[2] / "test" / "golden" / "chat" / "tokens.json"
NAMES = ["bos_token", "eos_token", "unk_token", "pad_token", "image_token"]
TEMPLATE = "|".join("{{ %s }}" % name for name in NAMES)
HELLO = [{"role": "user", "content": "a"}]

TOKENS = ["<s>", "</s>"]
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [
        {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, text in enumerate(TOKENS)
    ],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    },
    "decoder": {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {**{text: i for i, text in enumerate(TOKENS)}, "a": 2},
        "merges": [],
    },
}

ADDED = {"__type": "AddedToken", "lstrip": False, "rstrip": False, "normalized": False, "single_word": False}


def rows():
    for name in ["PreTrainedTokenizerFast", "LlamaTokenizer", "LlamaTokenizerFast", "GPT2Tokenizer", None]:
        of_class = {} if name is None else {"tokenizer_class": name}
        yield {**of_class}, None
        for bos in [None, "", "<s>"]:
            yield {**of_class, "bos_token": bos}, None
        yield {**of_class, "bos_token": None, "eos_token": None}, None
    fast = {"tokenizer_class": "PreTrainedTokenizerFast"}
    yield {**fast, "bos_token": {"content": "<s>", **ADDED}}, None
    yield {**fast, "bos_token": "<new>", "pad_token": "<pad>"}, None
    yield {**fast, "unk_token": "</s>", "image_token": "<image>"}, None
    yield {**fast, "extra_special_tokens": {"image_token": "<image>"}}, None
    yield {**fast}, {"bos_token": "<s>", "eos_token": {"content": "</s>", **ADDED}}
    yield {**fast, "bos_token": None}, {"bos_token": "<s>"}
    yield None, {"bos_token": "<s>"}
    yield None, None


def text_of(config, special_tokens_map):
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "tokenizer.json": TOKENIZER,
            "tokenizer_config.json": config,
            "special_tokens_map.json": special_tokens_map,
            "config.json": {"model_type": "llama", "bos_token_id": 0, "eos_token_id": 1},
        }
        for name, content in files.items():
            if content is not None:
                (Path(folder) / name).write_text(json.dumps(content))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return tokenizer.apply_chat_template(HELLO, tokenize=False, chat_template=TEMPLATE)


golden = {
    "tokenizer": TOKENIZER,
    "template": TEMPLATE,
    "rows": [{"config": config, "map": named, "text": text_of(config, named)} for config, named in rows()],
}
GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")
