"""Asks the tokenizers library how it cuts texts by the patterns of published models and by added tokens.

    python tokenizer_patterns.py ../../test/golden/tokenizers

It writes to that folder and needs `tokenizers` alone. The files in the repository come from version 0.23.3.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

PATTERNS = {
 "gpt2": [r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
 "tiktoken gpt2": [r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
 "llama3": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "qwen2": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "qwen3.5": [r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "cl100k": [r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"],
 "o200k": [r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "tekken": [r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "deepseek-llm": [r"[\r\n]", r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[一-龥ࠀ-一가-퟿]+"],
 "deepseek-v3": [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+"],
 "falcon": [r"[\$\+<=>\^~\|`]+", r"[0-9][0-9][0-9]"],
 "bloom": [r" ?[^(\s|[.,!?…。，、।۔،])]+"],
 "superbpe": [r"(?=(\d{3})+(?!\d))", r" ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"],
 "command-r": [r"\p{N}", r" ?\p{L}+|\s+"],
 "kimi": [r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "digits and brackets": [r"[0-9]|[\[\]\(\)\{\}]|_+"],
 "exaone": [r"(?:\r?\n)+(?!\r?\n)", r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "letters and marks": [r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}\p{M}]+|\s+"],
 "digits": [r"\d"],
 "words": [r"\w+|[^\w\s]+"],
 "seed-oss": [r"\s*[\p{L}\p{M}]+|\p{N}|\s*[^\s\p{L}\p{N}]+"],
 "hunyuan": [r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
 "thousands": [r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))"],
}

# At these, oniguruma-to-es or JavaScript's syntax differs from Oniguruma.
SYNTAX = [
    r"\w", r"\w+", r"[\w]+", r"[^\w\s]+", r"\W", r"\p{Word}", r"[[:word:]]+", r"\bs", r"\w+\b", r"\B.", r"\s+", r"\S+",
    r"\d\D", r"\h+", r"\R", r"\N+", r".+", r"^.|.$", r"(?i:s)", r"(?i:σ)", r"(?i:k)", r"(?i:[a-k])", r"(?i:[^a-k]+)",
    r"(?i:\p{Lu})", r"a(?i)b", r"a|(?i)b|C", r"(?i)a(?-i)b", r"(?i:'s|'t)|\p{L}+|[^\s\p{L}]", r"(?:a|ab)++c", r"(?>a|ab)c", r"x{,2}y",
    r"\p{N}{2}+", r"\p{^L}+", r"[]a]+", r"[a&&b]?", r"[\p{L}&&[^a]]+", r"x*", r"(?=b)", r"(?<=b)", r"a|", r"a**", r"(a)\1",
    r"(?<x>a)\k<x>", r"(?~ab)", r"(?m:a.)", r"\x41\u0042\x{43}", r"{", r"a{,}", r"\Aa", r"a\z", r"\Ga", r"(?<!a|bc)d",
]  # fmt: skip

TEXTS = [
    "", " ", "\n", "a\ufeffb \u0085c", "ſ 'ſ 'K 'RE 'Re", "K's k", "1234567 12,345,678.90", "中文αβ가나다 ひらがなカタカナ",
    "a\r\nb\r\r\n  c", "\u00a0\u2003x\u200bx\u200d", "İstanbul ıI ﬀ ß ẞ", "e\u0301 \u0301e", "😀😀👨‍👩‍👧 x", "٣٤٥६७ a²1 ²²",
    "x²½Ⅷ", "_a_b-c.d", "   leading", "trailing   ", "a\n\n\n b \n", "\t\tcode(){}\t;", "don't DON'T don’t", "a\u2028b\u2029c\vd\fe",
    "\x1c\x1d\x1e\x1f", "ᏸᏽ ᲐᲺ ℂ ﬗ µΜμ θϴϑ σςΣ", "\u0345a ι\u0345 \u0345", "aab aac abc ab ac", "xxxy xxx", "bcd ad d", "aaaa ]a {a}",
    "The quick brown fox, 1979-2026: 'tis £3.50!  \n\n(Ça va?)", "if (x == 10) {\n    return x+1;\n}\n",
]  # fmt: skip

BEHAVIORS = {
    "Isolated": "isolated",
    "Removed": "removed",
    "MergedWithPrevious": "merged_with_previous",
    "MergedWithNext": "merged_with_next",
    "Contiguous": "contiguous",
}
ALPHABET = list("abzAZ019 \t\n\r'’.,!?-_/()[]{}$+<=>^~|`") + [
    "\u0085", "\u00a0", "\ufeff", "\u3000", "ß", "İ", "ſ", "K", "µ", "É", "\u0301", "\u0345", "中", "ア", "가", "ʰ", "ǅ", "½", "٣", "²",
    "😀", "𐐀", "。", "'s", "'LL", " the", "123",
]  # fmt: skip


def split(pattern: str, text: str, behavior: str = "isolated", invert: bool = False) -> list[str]:
    pieces = pre_tokenizers.Split(Regex(pattern), behavior, invert).pre_tokenize_str(text)
    return [piece for piece, _ in pieces]


def patterns() -> dict:
    texts = TEXTS + ["".join(random.choices(ALPHABET, k=random.randint(1, 30))) for _ in range(16)]
    cases = []
    for name, of_model in [*PATTERNS.items(), ("syntax", SYNTAX)]:
        for pattern in of_model:
            behaviors = BEHAVIORS if name in ("gpt2", "superbpe", "digits") else ["Isolated"]
            for behavior in behaviors:
                for invert in [False] if behavior == "Isolated" else [False, True]:
                    rows = [split(pattern, text, BEHAVIORS[behavior], invert) for text in texts]
                    case = {"name": name, "pattern": pattern, "behavior": behavior, "invert": invert}
                    cases.append({**case, "rows": rows})
    return {"texts": texts, "cases": cases}


def added_tokens() -> list:
    """Makes random sets of added tokens over a vocabulary of single characters, with the ids of random texts."""
    letters = ["a", "b", "A", " ", "  ", "\n", "<", "_", "é"]
    vocab = {letter: i for i, letter in enumerate("ab <_\nABéX")}
    out = []
    for _ in range(80):
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
        lowercase = random.random() < 0.3
        if lowercase:
            tokenizer.normalizer = normalizers.Lowercase()
        contents = {"".join(random.choices(letters, k=random.randint(1, 3))) for _ in range(random.randint(1, 6))}
        for content in sorted(contents):
            flags = {name: random.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "normalized")}
            token = AddedToken(content, special=random.random() < 0.5, **flags)
            tokenizer.add_special_tokens([token]) if token.special else tokenizer.add_tokens([token])
        rows = []
        for _ in range(12):
            text = "".join(random.choices([*letters, "X", "a b"], k=random.randint(1, 12)))
            ids = []
            for plain in (False, True):
                tokenizer.encode_special_tokens = plain
                ids.append(tokenizer.encode(text, add_special_tokens=False).ids)
            rows.append([text, *ids])
        file = json.loads(tokenizer.to_str())
        out.append({"lowercase": lowercase, "vocab": file["model"]["vocab"], "tokens": file["added_tokens"], "rows": rows})
    return out


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    random.seed(1)
    folder = Path(sys.argv[1])
    write(folder / "patterns.json", patterns())
    write(folder / "added-tokens.json", added_tokens())
