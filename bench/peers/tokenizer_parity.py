"""Holds the token ids of mt-llama to those of tokenizers, sentencepiece and tiktoken on a megabyte of text in many scripts.

    bench/peers/.venv/bin/python bench/peers/tokenizer_parity.py [FILE ...]

FILE is a tokenizer.json or a tokenizer.model, which is one of SentencePiece or, as LLaMA 3 has it, of tiktoken; without one,
those of ../shared are taken. The texts are random words of each script with marks, digits, punctuation, white space and emoji
between them, the same in every run, and the real texts of the evaluation data where they are there. It prints a line for each
file; the exit code is 1 where any text differs.
"""

import glob
import json
import os
import random
import re
import subprocess
import sys
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.path.join(os.path.dirname(ROOT), "shared")

# A row is a script with the first and last code point of its letters.
SCRIPTS = {
    "latin": (0x41, 0x24F), "ipa": (0x250, 0x2AF), "greek": (0x370, 0x3FF), "cyrillic": (0x400, 0x52F),
    "armenian": (0x531, 0x587), "hebrew": (0x591, 0x5F4), "arabic": (0x600, 0x6FF), "syriac": (0x700, 0x74F),
    "thaana": (0x780, 0x7B1), "devanagari": (0x900, 0x97F), "bengali": (0x980, 0x9FE), "gurmukhi": (0xA01, 0xA76),
    "gujarati": (0xA81, 0xAF1), "oriya": (0xB01, 0xB77), "tamil": (0xB82, 0xBFA), "telugu": (0xC00, 0xC7F),
    "kannada": (0xC80, 0xCF2), "malayalam": (0xD00, 0xD7F), "sinhala": (0xD81, 0xDF4), "thai": (0xE01, 0xE5B),
    "lao": (0xE81, 0xEDF), "tibetan": (0xF00, 0xFD4), "burmese": (0x1000, 0x109F), "georgian": (0x10A0, 0x10FF),
    "jamo": (0x1100, 0x11FF), "ethiopic": (0x1200, 0x137C), "cherokee": (0x13A0, 0x13F5), "khmer": (0x1780, 0x17F9),
    "mongolian": (0x1800, 0x18AA), "vietnamese": (0x1E00, 0x1EFF), "polytonic": (0x1F00, 0x1FFE),
    "kana": (0x3041, 0x30FF), "bopomofo": (0x3105, 0x312F), "han": (0x4E00, 0x9FFF), "yi": (0xA000, 0xA48C),
    "hangul": (0xAC00, 0xD7A3), "compatibility": (0xF900, 0xFB06), "halfwidth": (0xFF01, 0xFFEE),
    "gothic": (0x10330, 0x1034A), "mathematical": (0x1D400, 0x1D7FF), "emoji": (0x1F300, 0x1FAFF),
    "han extension": (0x20000, 0x2A6DF), "private": (0xE000, 0xE0FF),
}
BETWEEN = [" ", " ", " ", " ", "  ", "\n", "\t", "\u00a0", "\u3000", "\r\n", ", ", ". ", "! ", "'s ", "-", "\u2014", "...", "\u0301", "\u200d",
           "\ufe0f", "\u200b", "\u202e", "/", "_", "\u2581", "\x00", "\x7f", "(", ") ", "\"", "1", "2024", "3.14", "\u0663\u0664", " \n\n "]


def letters(first, last):
    return [chr(c) for c in range(first, last + 1) if unicodedata.category(chr(c)) != "Cn"]


def texts():
    source = random.Random(1)
    alphabets = [letters(*ends) for ends in SCRIPTS.values()]
    size = 0
    while size < 1_000_000:
        mixed = source.random() < 0.3
        own = source.choice(alphabets)
        text = ""
        for _ in range(source.randint(1, 60)):
            alphabet = source.choice(alphabets) if mixed else own
            text += "".join(source.choices(alphabet, k=source.randint(1, 12))) + source.choice(BETWEEN)
        size += len(text.encode())
        yield text
    for file in sorted(glob.glob(os.path.join(SHARED, "data", "eval", "**", "*.json*"), recursive=True))[:8]:
        with open(file, encoding="utf-8") as lines:
            content = lines.read(200_000)
        yield from content.split("\n")


def is_tiktoken(file):
    with open(file, "rb") as content:
        return re.fullmatch(rb"[A-Za-z0-9+/]+=* \d+\r?\n", content.readline(400)) is not None


def theirs(file, lines):
    if file.endswith(".model") and is_tiktoken(file):
        import tiktoken
        from tiktoken.load import load_tiktoken_bpe

        # The pattern of LLaMA 3.
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        model = tiktoken.Encoding("", pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(file), special_tokens={})
        return [model.encode_ordinary(text) for text in lines]
    if file.endswith(".model"):
        import sentencepiece

        model = sentencepiece.SentencePieceProcessor(model_file=file)
        return [model.encode(text) for text in lines]
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(file)
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in lines]


def ours(file, lines):
    kind = "tokenizer.model" if file.endswith(".model") else "tokenizer.json"
    asked = "".join(json.dumps(text) + "\n" for text in lines)
    command = ["node", "--import", "tsx", "bench/peers/encode.ts", kind, file]
    answer = subprocess.run(command, cwd=ROOT, input=asked, capture_output=True, text=True, timeout=1200, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def main():
    given = [os.path.abspath(file) for file in sys.argv[1:]]
    found = [
        *glob.glob(os.path.join(SHARED, "tokenizers", "*", "tokenizer*.json")),
        *glob.glob(os.path.join(SHARED, "tokenizers", "*", "tokenizer.model")),
        *glob.glob(os.path.join(SHARED, "models", "*", "tokenizer.json")),
    ]
    files = given or sorted(file for file in found if not file.endswith("tokenizer_config.json"))
    lines = list(texts())
    megabytes = sum(len(text.encode()) for text in lines) / 1e6
    different = 0
    for file in files:
        want, got = theirs(file, lines), ours(file, lines)
        wrong = [i for i, ids in enumerate(want) if got[i] != ids]
        different += len(wrong)
        tokens = sum(map(len, want))
        print(f"{os.path.relpath(file, ROOT)}: {len(lines)} texts, {megabytes:.1f} MB, {tokens} tokens, {len(wrong)} texts differ")
        for i in wrong[:3]:
            print(f"  {lines[i]!r}\n    theirs {want[i]}\n    ours   {got[i]}")
    sys.exit(1 if different else 0)


main()
