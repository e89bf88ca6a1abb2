"""Writes small random checkpoints, and what transformers computes from them in float32: test/golden/hf/NAME.

Each folder has the checkpoint as a user would have it; case.json (what is special in it, and how far transformers itself is off in
bfloat16); expected.safetensors (ids.K, logits.K); score.json (log-probabilities of continuations); greedy.json (24 tokens);
texts.json where it has a tokenizer (ids by tokenizers or sentencepiece). test/golden-hf.ts says how near a run must come.
"""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import tokenizers
import torch
from rows import texts
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

SEED = 20261128
LENGTHS = [1, 9, 60]
NEW_TOKENS = 24

SPM_TYPES = {"normal": 1, "unknown": 2, "control": 3, "byte": 6}

CASES = {
    "llama-tokenizer-json": dict(
        about="float32, grouped-query attention, untied head, a byte-level tokenizer.json",
        stored="float32",
        tokenizer="tokenizer.json",
        config=dict(hidden_size=48, intermediate_size=96, num_attention_heads=6, num_key_value_heads=2),
    ),
    "llama3-tied-shards": dict(
        about="bfloat16, tied head, llama3 scaling of RoPE, three shards, a SentencePiece tokenizer.model",
        stored="bfloat16",
        tokenizer="tokenizer.model",
        shards="100KB",
        config=dict(
            hidden_size=64,
            intermediate_size=160,
            num_attention_heads=4,
            num_key_value_heads=4,
            tie_word_embeddings=True,
            rope_parameters=dict(
                rope_type="llama3",
                rope_theta=500_000.0,
                factor=8.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=32,
            ),
        ),
    ),
    "yarn-biases-odd": dict(
        about="float32, YaRN, biases everywhere, sizes that no tile divides",
        stored="float32",
        config=dict(
            vocab_size=227,
            hidden_size=42,
            intermediate_size=58,
            num_attention_heads=7,
            num_key_value_heads=7,
            head_dim=6,
            attention_bias=True,
            mlp_bias=True,
            rope_parameters=dict(
                rope_type="yarn", rope_theta=10_000.0, factor=4.0, original_max_position_embeddings=16
            ),
        ),
    ),
    "mistral-mqa-f16": dict(
        about="Mistral without a window, float16, multi-query attention, heads wider than hidden_size / heads",
        stored="float16",
        mistral=True,
        config=dict(
            vocab_size=259,
            hidden_size=32,
            intermediate_size=80,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=16,
            sliding_window=None,
        ),
    ),
    "gguf-q8_0-q4_1": dict(
        about="GGUF, Q8_0 and Q4_1, a tied head, a SentencePiece vocabulary in the metadata",
        stored="float32",
        tokenizer="gguf",
        config=dict(
            hidden_size=64,
            intermediate_size=128,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        ),
    ),
    "torch-zip-tied-f16": dict(
        about="pytorch_model.bin, float16, the head tied by the file, tables of RoPE and a mask beside the weights",
        stored="float16",
        torch=dict(),
        config=dict(
            vocab_size=61,
            hidden_size=16,
            intermediate_size=28,
            num_attention_heads=2,
            num_key_value_heads=1,
            tie_word_embeddings=True,
        ),
    ),
    "torch-legacy-bf16": dict(
        about="pytorch_model.bin of the format before torch 1.6, bfloat16, parameters, in a dict with more",
        stored="bfloat16",
        torch=dict(_use_new_zipfile_serialization=False),
        config=dict(
            vocab_size=59,
            hidden_size=20,
            intermediate_size=24,
            num_attention_heads=2,
            num_key_value_heads=2,
        ),
    ),
    "meta-ranks-bf16": dict(
        about="Meta's layout in two ranks, bfloat16: rows of the embedding, of grouped-query attention and of the head, columns of wo and w2",
        stored="bfloat16",
        ranks=2,
        config=dict(
            vocab_size=58,
            hidden_size=24,
            intermediate_size=32,
            num_attention_heads=4,
            num_key_value_heads=2,
        ),
    ),
}


def write_checkpoints(root: Path) -> None:
    shutil.rmtree(root / "hf", ignore_errors=True)
    for number, (name, case) in enumerate(CASES.items()):
        torch.manual_seed(SEED + number)
        folder = root / "hf" / name
        folder.mkdir(parents=True)
        vocab_size, ids_of = write_tokenizer(folder, case.get("tokenizer"))
        model = random_model(case, vocab_size)
        if case.get("tokenizer") == "gguf":
            write_gguf(folder, model)
        elif "ranks" in case:
            write_meta(folder, cast(model, getattr(torch, case["stored"])), case["ranks"])
        else:
            stored = cast(model, getattr(torch, case["stored"]))
            if "torch" in case:
                write_torch(folder, stored, case["torch"])
            else:
                stored.save_pretrained(folder, max_shard_size=case.get("shards", "5GB"))
            (folder / "generation_config.json").unlink(missing_ok=True)
        expect(folder, name, case["about"], model.eval(), ids_of)


def random_model(case: dict, vocab_size: int | None):
    config = dict(
        vocab_size=vocab_size,
        num_hidden_layers=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
    ) | case["config"]
    model = MistralForCausalLM(MistralConfig(**config)) if case.get("mistral") else LlamaForCausalLM(LlamaConfig(**config))
    stored = getattr(torch, case["stored"])
    with torch.no_grad():
        # Weights are large on purpose: a wrong epsilon, rotation or mask must show in the logits.
        for name, p in model.named_parameters():
            if "norm" in name:
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif name.endswith("bias"):
                p.copy_(0.3 * torch.randn_like(p))
            else:
                p.copy_(torch.randn_like(p) * (1 if "embed" in name else 1.5 / p.shape[1] ** 0.5))
            p.copy_(p.to(stored).to(torch.float32))
    return model


def write_tokenizer(folder: Path, kind: str | None):
    """Gives the vocabulary's size, and a function from text to ids by the library that reads such a file."""
    if kind is None:
        return None, None
    if kind == "tokenizer.json":
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=384,
            special_tokens=["<unk>", "<s>", "</s>"],
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts(), trainer)
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
        )
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
        fast.save_pretrained(folder)
        return tokenizer.get_vocab_size(), lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    model = folder / "tokenizer.model"
    with (folder / "texts").open("w") as sentences:
        sentences.write("\n".join(text.replace("\n", " ") for text in texts()))
    sentencepiece.SentencePieceTrainer.Train(
        input=str(folder / "texts"),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=416,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    (folder / "texts").unlink()
    (folder / "tokenizer.vocab").unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))
    return pieces.GetPieceSize(), pieces.EncodeAsIds


def write_torch(folder: Path, model, options: dict) -> None:
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    state = model.state_dict()
    if options:
        state = dict(step=3, model=dict(model.named_parameters()))
    else:
        for layer in range(model.config.num_hidden_layers):
            prefix = f"model.layers.{layer}.self_attn"
            state[f"{prefix}.rotary_emb.inv_freq"] = model.model.rotary_emb.inv_freq
            state[f"{prefix}.attn.bias"] = torch.ones(1, 1, 4, 4, dtype=torch.bool).tril()
    torch.save(state, folder / "pytorch_model.bin", **options)


def write_meta(folder: Path, model, ranks: int) -> None:
    config = model.config
    params = dict(
        dim=config.hidden_size,
        n_layers=config.num_hidden_layers,
        n_heads=config.num_attention_heads,
        n_kv_heads=config.num_key_value_heads,
        multiple_of=config.intermediate_size,
        ffn_dim_multiplier=0.5,
        norm_eps=config.rms_norm_eps,
        vocab_size=-1,
        max_seq_len=config.max_position_embeddings,
    )
    (folder / "params.json").write_text(json.dumps(params) + "\n")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    # gguf-py knows Meta's names as well as those of transformers.
    own = "tok_embeddings norm output".split() + [
        f"layers.{layer}.{part}"
        for layer in range(config.num_hidden_layers)
        for part in "attention_norm attention.wq attention.wk attention.wv attention.wo ffn_norm "
        "feed_forward.w1 feed_forward.w2 feed_forward.w3".split()
    ]
    meta = {names.get_name(name): name for name in own}
    heads = dict(q_proj=config.num_attention_heads, k_proj=config.num_key_value_heads)
    states = [{} for _ in range(ranks)]
    for name, p in model.state_dict().items():
        count = next((n for part, n in heads.items() if part in name), None)
        # Meta rotates neighbours where transformers rotates halves of a head.
        if count:
            p = p.reshape(count, 2, -1, p.shape[1]).transpose(1, 2).reshape(p.shape)
        stored = meta[names.get_name(name.removesuffix(".weight"))] + ".weight"
        columns = "attention.wo" in stored or "feed_forward.w2" in stored
        parts = [p] * ranks if p.ndim == 1 else p.chunk(ranks, dim=1 if columns else 0)
        for state, part in zip(states, parts):
            state[stored] = part.clone()
    for rank, state in enumerate(states):
        state["rope.freqs"] = model.model.rotary_emb.inv_freq
        torch.save(state, folder / f"consolidated.{rank:02d}.pth")


def write_gguf(folder: Path, model) -> None:
    """Quantises the matrices, and leaves the quantised values in the model."""
    file = folder / "tokenizer.model"
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(file))
    config = model.config
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_tokenizer_model("llama")
    ids = range(pieces.GetPieceSize())
    writer.add_token_list([pieces.IdToPiece(i) for i in ids])
    writer.add_token_scores([pieces.GetScore(i) for i in ids])
    writer.add_token_types([SPM_TYPES[kind_of(pieces, i)] for i in ids])
    writer.add_bos_token_id(pieces.bos_id())
    writer.add_eos_token_id(pieces.eos_id())
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = dict(q_proj=config.num_attention_heads, k_proj=config.num_key_value_heads)
    with torch.no_grad():
        for name, p in model.named_parameters():
            stored = names.get_name(name, try_suffixes=(".weight",))
            values = p.numpy().astype(np.float32)
            if p.ndim == 1:
                writer.add_tensor(stored, values)
                continue
            kind = gguf.GGMLQuantizationType.Q4_1 if "mlp" in name else gguf.GGMLQuantizationType.Q8_0
            # llama.cpp rotates neighbours where transformers rotates halves of a head.
            own = next((n for part, n in heads.items() if part in name), None)
            if own:
                values = values.reshape(own, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
            blocks = gguf.quants.quantize(values, kind)
            writer.add_tensor(stored, blocks, raw_dtype=kind)
            values = gguf.quants.dequantize(blocks, kind)
            if own:
                values = values.reshape(own, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
            p.copy_(torch.from_numpy(values.copy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    file.unlink()


def kind_of(pieces, i: int) -> str:
    if pieces.IsUnknown(i):
        return "unknown"
    return "control" if pieces.IsControl(i) else "byte" if pieces.IsByte(i) else "normal"


@torch.no_grad()
def expect(folder: Path, name: str, about: str, model, ids_of) -> None:
    vocab = model.config.vocab_size
    random = lambda n: torch.randint(3, vocab, (n,)).tolist()
    logits_of = lambda ids, model=model: model(torch.tensor([ids])).logits[0].to(torch.float32)
    arrays, differences = {}, []
    sequences = [random(n) for n in LENGTHS]
    for k, ids in enumerate(sequences):
        arrays[f"ids.{k}"] = np.array(ids, np.int32)
        arrays[f"logits.{k}"] = logits_of(ids).numpy()
    save_file(arrays, folder / "expected.safetensors")

    prefix = random(11)
    requests = [
        (random(1), [random(1), random(4), random(2)]),
        (prefix, [random(3), random(1)]),
        (prefix + random(5), [random(2), random(2), random(7)]),
        (random(40), [random(1), random(1)]),
    ]
    write(folder, "score.json", [score(logits_of, prompt, continuations) for prompt, continuations in requests])
    write(folder, "greedy.json", [greedy(logits_of, random(n)) for n in (1, 6, 20)])
    if ids_of is not None:
        write(folder, "texts.json", [dict(text=text, ids=ids_of(text)) for text in texts()])

    rounded = cast(model, torch.bfloat16)
    for ids in sequences:
        for at, (own, theirs) in enumerate(zip(logits_of(ids).log_softmax(-1), logits_of(ids, rounded).log_softmax(-1))):
            if at + 1 < len(ids):
                differences.append(abs(own[ids[at + 1]] - theirs[ids[at + 1]]).item())
    error = dict(mean=sum(differences) / len(differences), max=max(differences))
    write(folder, "case.json", dict(name=name, about=about, bf16_logprob_error_of_transformers=error))


def cast(model, dtype: torch.dtype):
    """Copies the model with its parameters rounded: model.to() would round the frequencies of RoPE too, which no loading does."""
    copy = deepcopy(model)
    for p in copy.parameters():
        p.data = p.data.to(dtype)
    copy.config.dtype = dtype
    return copy


def score(logits_of, prompt: list[int], continuations: list[list[int]]) -> dict:
    found = dict(prompt=prompt, continuations=continuations, tokenLogProbs=[], isGreedy=[], margin=[])
    for continuation in continuations:
        logits = logits_of((prompt + continuation)[:-1])[len(prompt) - 1 :]
        log_probs = logits.log_softmax(-1)
        found["tokenLogProbs"].append([log_probs[i, id].item() for i, id in enumerate(continuation)])
        found["isGreedy"].append([logits[i].argmax().item() == id for i, id in enumerate(continuation)])
        found["margin"].append([margin(row) for row in logits])
    return found


def greedy(logits_of, prompt: list[int]) -> dict:
    ids, margins = list(prompt), []
    for _ in range(NEW_TOKENS):
        last = logits_of(ids)[-1]
        margins.append(margin(last))
        ids.append(last.argmax().item())
    return dict(prompt=prompt, generated=ids[len(prompt) :], margin=margins)


def margin(logits: torch.Tensor) -> float:
    first, second = logits.topk(2).values.tolist()
    return first - second


def write(folder: Path, file: str, content) -> None:
    (folder / file).write_text(json.dumps(content, ensure_ascii=False) + "\n")
