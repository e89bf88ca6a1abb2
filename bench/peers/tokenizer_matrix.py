"""Makes test/golden/tokenizers/matrix.json: small tokenizer folders, and what transformers makes of each.

    tokenizer_matrix.py OUT.json [OLD_PYTHON]

Run it with a Python that has transformers 5 and sentencepiece. OLD_PYTHON is another one, with transformers 4 and sentencepiece,
whose slow and fast tokenizers are asked too; what they say is kept where it differs. The vocabularies are made here.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

TEXTS = [
    "",
    " ",
    "a",
    " a",
    "hello world",
    "  hello  world ",
    "hello</s>hello",
    "hello </s> world",
    "<s>hello",
    "<s> hello",
    "<x>hello<y> world",
    "a <x> b <y> c",
    "foo food foo",
    " foo.foo ",
    "a<unk>b",
    "caf\u00e9 \u65e5 \U0001f600",
    "Hello. I 'm , no",
    "\n<x>\n\n<y>\t",
    "12 345",
    "\u2581a \u2581",
]

PIECES = ["\u2581", *"etaoinshrdlcumwfgypbvk.,'", "he", "ll", "llo", "hello", "\u2581hello", "wo", "rld", "\u2581world"]
PIECES += ["ld", "or", "wor", "\u2581a", "fo", "foo", "\u2581foo", "\u2581\u2581", "in", "an", "\u2581b"]


def model(user_defined=(), **normalizer):
    """Makes a SentencePiece BPE model of <unk>, <s>, </s>, 256 bytes, PIECES and user-defined pieces."""
    from sentencepiece import sentencepiece_model_pb2 as pb

    proto = pb.ModelProto()
    kinds = pb.ModelProto.SentencePiece

    def add(piece, score, kind):
        proto.pieces.add(piece=piece, score=score, type=kind)

    add("<unk>", 0, kinds.UNKNOWN)
    add("<s>", 0, kinds.CONTROL)
    add("</s>", 0, kinds.CONTROL)
    for byte in range(256):
        add(f"<0x{byte:02X}>", 0, kinds.BYTE)
    for rank, piece in enumerate(PIECES):
        add(piece, -rank, kinds.NORMAL)
    for piece in user_defined:
        add(piece, 0, kinds.USER_DEFINED)
    proto.trainer_spec.model_type = pb.TrainerSpec.BPE
    proto.trainer_spec.byte_fallback = True
    proto.trainer_spec.vocab_size = len(proto.pieces)
    proto.normalizer_spec.name = "identity"
    proto.normalizer_spec.add_dummy_prefix = normalizer.get("add_dummy_prefix", True)
    proto.normalizer_spec.remove_extra_whitespaces = normalizer.get("remove_extra_whitespaces", False)
    proto.normalizer_spec.escape_whitespaces = True
    return proto.SerializeToString()


def token(content, special=True, id=None, **flags):
    entry = {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    entry.update(flags, special=special)
    return entry if id is None else {"id": id, **entry}


def template(before=(), after=()):
    piece = lambda text: {"SpecialToken": {"id": text, "type_id": 0}}
    ids = {"<s>": 1, "</s>": 2}
    single = [*map(piece, before), {"Sequence": {"id": "A", "type_id": 0}}, *map(piece, after)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [ids[text]], "tokens": [text]} for text in {*before, *after}},
    }


SPECIAL = [token("<unk>", id=0), token("<s>", id=1), token("</s>", id=2)]
SPACE = "\u2581"


def piece_json(style="first", **changes):
    """Makes the tokenizer.json of the SentencePiece model, with Metaspace and that scheme or with the older `prepend`."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    vocab = {name: i for i, name in enumerate(names)}
    merges = []
    for piece in PIECES:
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges += [f"{left} {right}" for left, right in sorted(cuts, key=lambda cut: (vocab[cut[0]], vocab[cut[1]]))]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepend = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, replace]}
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": style, "split": False}
    decoders = [{"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}]
    decoders += [{"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": SPECIAL,
        "normalizer": prepend if style == "prepend" else None,
        "pre_tokenizer": None if style == "prepend" else metaspace,
        "post_processor": template(["<s>"]),
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": vocab,
            "merges": merges,
        },
        **changes,
    }


def byte_json(**changes):
    """Makes a byte-level BPE as GPT-2 and LLaMA 3 have it."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    symbols = [*bytes_to_unicode().values()]
    merges = ["h e", "l l", "he ll", "hell o", "\u0120 hello", "\u0120 w", "o r", "\u0120w or", "l d", "\u0120wor ld", "f o", "fo o"]
    names = ["<unk>", "<s>", "</s>", *symbols, *(merge.replace(" ", "") for merge in merges)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": SPECIAL,
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": template(["<s>"]),
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {name: i for i, name in enumerate(names)},
            "merges": merges,
        },
        **changes,
    }


def byte_json_spaced(**changes):
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return byte_json(pre_tokenizer=level, **changes)


NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def decoder(start, *tokens, base=True):
    listed = {str(i): token(text) for i, text in enumerate(["<unk>", "<s>", "</s>"])} if base else {}
    return {"added_tokens_decoder": {**listed, **{str(start + i): entry for i, entry in enumerate(tokens)}}}


def folders():
    """Maps names to the files of a folder without config.json; a value of bytes is a tokenizer.model."""
    own = {}

    def add(name, config=None, special_map=None, added=None, **vocabulary):
        files = dict(vocabulary)
        files = {key.replace("_", "."): value for key, value in files.items()}
        if config is not None:
            files["tokenizer_config.json"] = config
        if special_map is not None:
            files["special_tokens_map.json"] = special_map
        if added is not None:
            files["added_tokens.json"] = added
        own[name] = files

    llama = {"tokenizer_class": "LlamaTokenizer", **NAMES}
    fast = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES}
    size = 259 + len(PIECES)
    spm = model()

    # These have tokenizer.model alone, or with settings beside it.
    add("model", tokenizer_model=spm)
    add("model, Llama", llama, tokenizer_model=spm)
    for legacy in (True, False):
        add(f"model, Llama, legacy {legacy}", {**llama, "legacy": legacy}, tokenizer_model=spm)
    add("model, LlamaFast, legacy False", {**llama, "tokenizer_class": "LlamaTokenizerFast", "legacy": False}, tokenizer_model=spm)
    add("model, Llama, no names", {"tokenizer_class": "LlamaTokenizer", "legacy": True}, tokenizer_model=spm)
    add("model, no class", {**NAMES, "legacy": True}, tokenizer_model=spm)
    for cls in ("PreTrainedTokenizerFast", "TokenizersBackend", "CodeLlamaTokenizer"):
        add(f"model, {cls}", {**NAMES, "tokenizer_class": cls}, tokenizer_model=spm)
    for bos, eos in ((False, False), (True, True), (False, True), (True, False)):
        flags = {"add_bos_token": bos, "add_eos_token": eos, "legacy": True}
        add(f"model, Llama, add_bos {bos}, add_eos {eos}", {**llama, **flags}, tokenizer_model=spm)
    for space in (True, False):
        for legacy in (True, False):
            flags = {"add_prefix_space": space, "legacy": legacy}
            add(f"model, Llama, add_prefix_space {space}, legacy {legacy}", {**llama, **flags}, tokenizer_model=spm)
    two = (token("<x>"), token("<y>", special=False))
    for legacy in (None, True, False):
        flags = {} if legacy is None else {"legacy": legacy}
        add(f"model, Llama, two tokens, legacy {legacy}", {**llama, **flags, **decoder(size, *two)}, tokenizer_model=spm)
    for flag in ("lstrip", "rstrip", "single_word", "normalized"):
        tokens = (token("<x>", **{flag: True}), token("<y>", special=False, **{flag: True}), token("foo", special=False, **{flag: True}))
        add(f"model, Llama, tokens {flag}", {**llama, "legacy": True, **decoder(size, *tokens)}, tokenizer_model=spm)
    add("model, Llama, tokens with a hole", {**llama, "legacy": True, **decoder(size + 5, *two)}, tokenizer_model=spm)
    add("model, Llama, a piece as token", {**llama, "legacy": True, **decoder(size, token("<x>")), **{}}, tokenizer_model=spm)
    own["model, Llama, a piece as token"]["tokenizer_config.json"]["added_tokens_decoder"][str(259 + PIECES.index("foo"))] = token("foo", special=False)
    add("model, Llama, added_tokens.json", {**llama, "legacy": True}, added={"<x>": size, "<y>": size + 1}, tokenizer_model=spm)
    add("model, added_tokens.json alone", added={"<y>": size + 1, "<x>": size}, tokenizer_model=spm)
    add("model, special_tokens_map.json alone", special_map={"eos_token": "<x>", "pad_token": token("<y>")}, tokenizer_model=spm)
    both = {"special_map": {"eos_token": "<x>"}, "added": {"<x>": size}}
    add("model, Llama, maps that say otherwise", {**llama, "legacy": True}, **both, tokenizer_model=spm)
    for name in ("additional_special_tokens", "extra_special_tokens"):
        add(f"model, Llama, {name}", {**llama, "legacy": True, name: ["<x>", "<y>"]}, tokenizer_model=spm)
    add("model, Llama, eos new", {**llama, "legacy": True, "eos_token": "<x>", "pad_token": "<y>"}, tokenizer_model=spm)
    for name in ("bos_token", "eos_token"):
        for value in (None, ""):
            add(f"model, Llama, {name} {value!r}", {**llama, "legacy": True, name: value}, tokenizer_model=spm)
    named = {"__type": "AddedToken", **token("<x>", rstrip=True)}
    named.pop("special")
    add("model, Llama, eos an object", {**llama, "legacy": True, "eos_token": named}, tokenizer_model=spm)
    add("model, Llama, split_special_tokens", {**llama, "legacy": True, "split_special_tokens": True, **decoder(size, *two)}, tokenizer_model=spm)
    add("model, Llama, clean_up", {**llama, "legacy": True, "clean_up_tokenization_spaces": True}, tokenizer_model=spm)
    defined = model(user_defined=("<x>", "<y>"))
    add("model with user-defined pieces", tokenizer_model=defined)
    add("model with user-defined pieces, Llama, legacy True", {**llama, "legacy": True}, tokenizer_model=defined)
    add("model without dummy prefix", tokenizer_model=model(add_dummy_prefix=False))
    add("model without dummy prefix, Llama, legacy True", {**llama, "legacy": True}, tokenizer_model=model(add_dummy_prefix=False))
    add("model that removes spaces", tokenizer_model=model(remove_extra_whitespaces=True))

    # These have a tokenizer.json of pieces.
    for style in ("first", "always", "never", "prepend"):
        add(f"pieces {style}", tokenizer_json=piece_json(style))
        add(f"pieces {style}, Fast", fast, tokenizer_json=piece_json(style))
        for legacy in (None, True, False):
            flags = {} if legacy is None else {"legacy": legacy}
            add(f"pieces {style}, Llama, legacy {legacy}", {**llama, **flags}, tokenizer_json=piece_json(style))
    for space in (True, False):
        flags = {"add_prefix_space": space}
        add(f"pieces first, Fast, add_prefix_space {space}", {**fast, **flags}, tokenizer_json=piece_json())
        add(f"pieces prepend, Llama, add_prefix_space {space}", {**llama, **flags}, tokenizer_json=piece_json("prepend"))
        for legacy in (True, False):
            more = {**llama, **flags, "legacy": legacy}
            add(f"pieces first, Llama, add_prefix_space {space}, legacy {legacy}", more, tokenizer_json=piece_json())
            add(f"pieces always and model, Llama, add_prefix_space {space}, legacy {legacy}", more, tokenizer_json=piece_json("always"), tokenizer_model=spm)
    add("pieces first, TokenizersBackend", {**NAMES, "tokenizer_class": "TokenizersBackend"}, tokenizer_json=piece_json())
    add("pieces prepend, CodeLlama", {**NAMES, "tokenizer_class": "CodeLlamaTokenizerFast"}, tokenizer_json=piece_json("prepend"))

    # These have a tokenizer.json of bytes.
    size = 259 + 12
    add("bytes", tokenizer_json=byte_json())
    for cls in ("PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer", "LlamaTokenizer", "LlamaTokenizerFast"):
        add(f"bytes, {cls}", {**NAMES, "tokenizer_class": cls}, tokenizer_json=byte_json())
    add("bytes, GPT2Tokenizer, no names", {"tokenizer_class": "GPT2Tokenizer"}, tokenizer_json=byte_json())
    for space in (None, True, False):
        flags = {} if space is None else {"add_prefix_space": space}
        for cls in ("GPT2Tokenizer", "PreTrainedTokenizerFast"):
            config = {**NAMES, "tokenizer_class": cls, **flags}
            add(f"bytes, {cls}, add_prefix_space {space}", config, tokenizer_json=byte_json())
            add(f"bytes spaced, {cls}, add_prefix_space {space}", config, tokenizer_json=byte_json_spaced())
    for bos in (None, True, False):
        for post in (None, template(["<s>"]), template([], ["</s>"]), template(["<s>"], ["</s>"])):
            flags = {} if bos is None else {"add_bos_token": bos}
            kind = "no template" if post is None else f"template of {len(post['single'])}, {'SpecialToken' in post['single'][0]}"
            add(f"bytes, Fast, add_bos {bos}, {kind}", {**fast, **flags}, tokenizer_json=byte_json(post_processor=post))
    add("bytes, Fast, add_eos True", {**fast, "add_eos_token": True}, tokenizer_json=byte_json())
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    ends = {"sep": ["</s>", 2], "cls": ["<s>", 1]}
    for kind, post in {
        "ByteLevel": level,
        "Sequence": {"type": "Sequence", "processors": [level, template(["<s>"])]},
        "BertProcessing": {"type": "BertProcessing", **ends},
        "RobertaProcessing": {"type": "RobertaProcessing", **ends, "trim_offsets": True, "add_prefix_space": False},
    }.items():
        add(f"bytes, Fast, {kind}", fast, tokenizer_json=byte_json(post_processor=post))
    add("bytes, Fast, two tokens", {**fast, **decoder(size, *two)}, tokenizer_json=byte_json())
    add("bytes, Fast, only new tokens", {**fast, **decoder(size, *two, base=False)}, tokenizer_json=byte_json())
    add("bytes, Fast, tokens with a hole", {**fast, **decoder(size + 5, *two)}, tokenizer_json=byte_json())
    for flag in ("lstrip", "rstrip", "single_word", "normalized"):
        tokens = (token("<x>", **{flag: True}), token("<y>", special=False, **{flag: True}), token("foo", special=False, **{flag: True}))
        add(f"bytes, Fast, tokens {flag}", {**fast, **decoder(size, *tokens)}, tokenizer_json=byte_json())
        listed = [*SPECIAL, token("<x>", id=size), token("<y>", id=size + 1, special=False)]
        add(f"bytes, Fast, tokens made {flag}", {**fast, **decoder(size, *tokens[:2])}, tokenizer_json=byte_json(added_tokens=listed))
    listed = [*SPECIAL, token("<x>", id=size), token("<y>", id=size + 1, special=False)]
    swapped = decoder(size, token("<x>", special=False), token("<y>"))
    add("bytes, Fast, special swapped", {**fast, **swapped}, tokenizer_json=byte_json(added_tokens=listed))
    add("bytes, Fast, eos declared plain", {**fast, "eos_token": "<y>", **decoder(size, *two)}, tokenizer_json=byte_json())
    add("bytes, Fast, listed eos not special", {**fast, "eos_token": "<y>"}, tokenizer_json=byte_json(added_tokens=listed))
    for name in ("additional_special_tokens", "extra_special_tokens"):
        add(f"bytes, Fast, {name}", {**fast, name: ["<x>", "<y>"]}, tokenizer_json=byte_json())
    objects = [{"__type": "AddedToken", **token("<x>", rstrip=True)}, "<y>"]
    add("bytes, Fast, additional objects", {**fast, "additional_special_tokens": objects}, tokenizer_json=byte_json())
    add("bytes, Fast, extra names", {**fast, "extra_special_tokens": {"image_token": "<x>"}}, tokenizer_json=byte_json())
    add("bytes, Fast, a token of its own", {**fast, "image_token": "<x>"}, tokenizer_json=byte_json())
    add("bytes, Fast, both lists", {**fast, "additional_special_tokens": ["<x>"], "extra_special_tokens": ["<y>"]}, tokenizer_json=byte_json())
    add("bytes, Fast, added_tokens.json", fast, added={"<x>": size, "<y>": size + 1}, tokenizer_json=byte_json())
    add("bytes, added_tokens.json alone", added={"<y>": size, "<x>": size + 1}, tokenizer_json=byte_json())
    add("bytes, special_tokens_map.json alone", special_map={"bos_token": "<s>", "eos_token": token("<x>")}, tokenizer_json=byte_json())
    add("bytes, Fast, maps beside a decoder", {**fast, **decoder(size, *two)}, special_map={"eos_token": "<z>"}, added={"<z>": size}, tokenizer_json=byte_json())
    add("bytes, Fast, map before config", fast, special_map={"eos_token": "<x>", "additional_special_tokens": ["<y>"]}, tokenizer_json=byte_json())
    add("bytes, Fast, eos only in config", {**fast, "eos_token": "<x>", "pad_token": "<y>"}, tokenizer_json=byte_json())
    for name in ("bos_token", "eos_token"):
        for value in (None, ""):
            add(f"bytes, Fast, {name} {value!r}", {**fast, name: value}, tokenizer_json=byte_json())
    add("bytes, Fast, no names", {"tokenizer_class": "PreTrainedTokenizerFast"}, tokenizer_json=byte_json())
    add("bytes, Fast, bos null, no template", {**fast, "bos_token": None}, tokenizer_json=byte_json(post_processor=None))
    add("bytes, Fast, vocabulary words become tokens", fast, tokenizer_json=byte_json(added_tokens=[]))
    add("bytes, Fast, eos an object", {**fast, "eos_token": {"__type": "AddedToken", **token("<x>", lstrip=True)}}, tokenizer_json=byte_json())
    add("bytes, Fast, split_special_tokens", {**fast, "split_special_tokens": True, **decoder(size, *two)}, tokenizer_json=byte_json())
    add("bytes, Fast, clean_up", {**fast, "clean_up_tokenization_spaces": True}, tokenizer_json=byte_json())
    lower = {"type": "Lowercase"}
    upper = [*SPECIAL, token("<X>", id=size, special=False, normalized=True)]
    add("bytes, Fast, lower case", {**fast, **decoder(size + 1, token("FOO", special=False, normalized=True))}, tokenizer_json=byte_json(normalizer=lower, added_tokens=upper))
    cut = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    pad = {"strategy": {"Fixed": 12}, "direction": "Left", "pad_to_multiple_of": None, "pad_id": 2, "pad_type_id": 0, "pad_token": "</s>"}
    add("bytes, Fast, truncation and padding", fast, tokenizer_json=byte_json(truncation=cut, padding=pad))
    return own


def write(folder, files):
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 400}
    for name, value in {"config.json": config, **files}.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(value if isinstance(value, bytes) else json.dumps(value).encode())


def ask(folder, fast):
    """Asks for BOS and EOS, the special tokens around a text, and each text's ids without those and two decodings with them."""
    import transformers

    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    try:
        own = transformers.AutoTokenizer.from_pretrained(folder, use_fast=fast)
        rows = []
        marked = own("a").input_ids
        plain = own("a", add_special_tokens=False).input_ids
        start = next(at for at in range(len(marked)) if marked[at : at + len(plain)] == plain)
        before, after = marked[:start], marked[start + len(plain) :]
        for text in TEXTS:
            ids = own(text, add_special_tokens=False).input_ids
            whole = own(text).input_ids
            assert whole == before + ids + after
            rows.append([ids, own.decode(whole, skip_special_tokens=True), own.decode(whole)])
    except Exception as error:
        return {"error": type(error).__name__}
    ends = [own.bos_token_id if own.bos_token else None, own.eos_token_id if own.eos_token else None]
    return {"ends": ends, "around": [before, after], "rows": rows}


def ask_sentencepiece(model, answer):
    """Asks sentencepiece itself for the ids of the texts, and for the texts of the ids that transformers gives."""
    import sentencepiece

    own = sentencepiece.SentencePieceProcessor(model_proto=model)
    wholes = [answer["around"][0] + row[0] + answer["around"][1] for row in answer["rows"]]
    decodable = lambda ids: all(id < own.get_piece_size() for id in ids)
    return {"rows": [[own.encode(text), own.decode(ids) if decodable(ids) else None] for text, ids in zip(TEXTS, wholes)]}


def ask_all(folders, kinds):
    found = {}
    for name, files in folders.items():
        with tempfile.TemporaryDirectory() as folder:
            write(folder, files)
            found[name] = {kind: ask(folder, kind != "slow") for kind in kinds}
    return found


def differing(other, base):
    """Gives the parts of an answer that differ, rows by their number, or None."""
    if "error" in other or "error" in base:
        return None if other == base else other
    rows = {str(i): row for i, row in enumerate(other["rows"]) if row != base["rows"][i]}
    rest = {name: other[name] for name in ("ends", "around") if other[name] != base[name]}
    return {**rest, **({"rows": rows} if rows else {})} or None


def main(out, old_python=None):
    import transformers

    if out == "--answer":  # the newer Python has started this one
        print(json.dumps({"version": transformers.__version__, "answers": ask_all(folders(), ["slow", "fast"])}))
        return
    own = folders()
    answers = ask_all(own, ["fast"])
    old = None
    if old_python:
        done = subprocess.run([old_python, __file__, "--answer"], check=True, capture_output=True, text=True, timeout=1800)
        old = json.loads(done.stdout.splitlines()[-1])
    blobs, table = {}, []
    for name, files in own.items():
        entry = {"name": name, "files": {}}
        for file, value in files.items():
            text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
            if file in ("tokenizer.json", "tokenizer.model"):
                key = next((key for key, known in blobs.items() if known == text), f"{file} {len(blobs)}")
                blobs[key] = text
                entry["files"][file] = key
            else:
                entry["files"][file] = value
        entry["expected"] = answers[name]["fast"]
        if list(files) == ["tokenizer.model"]:
            entry["sentencepiece"] = ask_sentencepiece(files["tokenizer.model"], answers[name]["fast"])
        for kind in ("slow", "fast") if old else ():
            differs = differing(old["answers"][name][kind], answers[name]["fast"])
            if differs:
                entry[f"{kind} of transformers 4"] = differs
        table.append(entry)
    versions = [transformers.__version__, *([old["version"]] if old else [])]
    with open(out, "w") as file:
        # Each folder has a line, so that the file is small and a difference between two runs can be read.
        file.write('{"transformers": %s,\n"texts": %s,\n' % (json.dumps(versions), json.dumps(TEXTS, ensure_ascii=False)))
        lines = [f"{json.dumps(key)}: {json.dumps(blob, ensure_ascii=False, separators=(',', ':'))}" for key, blob in blobs.items()]
        file.write('"vocabularies": {\n%s\n},\n' % ",\n".join(lines))
        lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in table]
        file.write('"folders": [\n%s\n]}\n' % ",\n".join(lines))
    print(f"{len(table)} folders, {os.path.getsize(out)} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
