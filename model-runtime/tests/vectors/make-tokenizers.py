#!/usr/bin/env python3
"""Writes tokenizers/NAME.json: random texts and the tokens that a reference makes of them.

  pip install tokenizers==0.23.1 gguf && python3 make-tokenizers.py NAME=TOKENIZER.json ...

The tokenizers are too large to commit (9 to 33 MB). For each, a small one is cut out: the tokens that the texts need, with all merges
between them, as `tokenizer.json`. The small one gives the same tokens (checked here), under numbers of its own.
"""

import json
import pathlib
import random
import sys

from tokenizers import Tokenizer

PIECES = [
    "the", "quick", "brown", "fox", "Hello", "world", "don't", "we'll", "I'M", "THEY'RE", "you'd", "it's",
    " ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\u00a0", "\u3000",
    "0", "7", "42", "123", "1234", "12345678", "3.14159", "1,000,000", "2024-01-31", "0x1F",
    "...", "!?", "--", "->", "==", "{}", "();", "//", "#", "@user", "a_b", "$5", "100%", "(a+b)*c",
    "é", "e\u0301", "ñ", "ß", "İ", "naïve", "Straße", "œuvre", "Ελληνικά", "Привет", "שלום", "مرحبا", "नमस्ते", "日本語", "中文字", "한국어", "ไทย",
    "🙂", "👩‍👩‍👧", "🇩🇪", "🚀", "\u200b", "\u200d", "\ufeff", "\u0000", "\u0007", "\uffff", "𝒳", "𐍈",
    "fn main() {", "    return x", "def f(x):", "<html>", "</b>", "https://example.org/?q=1&r=2",
    "ﬁ", "①", "½", "²", "Ⅷ", "٣", "５",
]
TEXTS = 160


def texts(special, seed):
    draw = random.Random(seed)
    made = ["", " ", "a", "\n", "Hello, world!", "  two  spaces", "don't we'll I'M", "12345 67", "日本語 ok"]
    while len(made) < TEXTS:
        length = draw.choice([1, 2, 3, 5, 8, 13])
        made.append("".join(draw.choice(PIECES) + draw.choice(["", "", " "]) for _ in range(length)))
    for _ in range(12):
        made.append(draw.choice(PIECES) + draw.choice(special) + draw.choice(PIECES) + draw.choice(["", draw.choice(special)]))
    return made


def needed(full, made):
    """Tokens that occur, and everything they are merged from."""
    model = json.loads(full.to_str())["model"]
    vocabulary = model["vocab"]
    pairs = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ", 1)) for pair in model["merges"]]
    keep = {full.id_to_token(token) for text in made for token in full.encode(text, add_special_tokens=False).ids}
    # Every intermediate of every word must stay, or other merges would come first: keep all tokens that are a part of a kept one's text
    # or of the texts themselves.
    haystack = set()
    normalized = [full.normalizer.normalize_str(text) if full.normalizer else text for text in made]
    for text in normalized:
        words = [word for word, _ in full.pre_tokenizer.pre_tokenize_str(text)] if full.pre_tokenizer else [text]
        haystack.update(words)
    longest = 24
    parts = {word[i:j] for word in haystack for i in range(len(word)) for j in range(i + 1, min(len(word), i + longest) + 1)}
    keep |= {token for token in vocabulary if token in parts}
    keep |= {token for token in vocabulary if len(token) == 6 and token.startswith("<0x")}
    if any(part.get("type") == "ByteLevel" for part in flat(json.loads(full.to_str())["pre_tokenizer"])):
        keep |= {token for token in vocabulary if len(token) == 1}
    keep &= set(vocabulary)
    return keep, [(left, right) for left, right in pairs if left in keep and right in keep and left + right in keep]


def flat(part):
    if part is None:
        return []
    return [part] + [inner for key in ("pretokenizers", "normalizers", "decoders") for child in part.get(key, []) for inner in flat(child)]


def small(full, special, made):
    description = json.loads(full.to_str())
    keep, merges = needed(full, made)
    unknown = description["model"].get("unk_token")
    keep |= {unknown} & set(description["model"]["vocab"])
    old = sorted(keep, key=description["model"]["vocab"].get)
    ids = {token: index for index, token in enumerate(old)}
    added = [token for token in description["added_tokens"] if token["content"] in special or token["content"] in ids]
    for token in added:
        ids.setdefault(token["content"], len(ids))
        token["id"] = ids[token["content"]]
    description["added_tokens"] = added
    description["model"]["vocab"] = {token: ids[token] for token in old}
    description["model"]["merges"] = [list(pair) for pair in merges]
    description["post_processor"] = None
    description["truncation"] = description["padding"] = None
    return description


def main():
    folder = pathlib.Path(__file__).parent / "tokenizers"
    folder.mkdir(exist_ok=True)
    for argument in sys.argv[1:]:
        name, path = argument.split("=", 1)
        full = Tokenizer.from_file(path)
        added = [token["content"] for token in json.loads(full.to_str())["added_tokens"]]
        special = [text for text in ("<|eot_id|>", "<|begin_of_text|>", "<|im_end|>", "<tool_call>", "</think>", "<start_of_turn>", "<end_of_turn>", "<eos>", "\n\n\n", "</s>") if text in added]
        made = texts(special, seed=sum(name.encode()))
        description = small(full, special, made)
        tiny = Tokenizer.from_str(json.dumps(description))
        cases = []
        for text in made:
            tokens = full.encode(text, add_special_tokens=False)
            same = tiny.encode(text, add_special_tokens=False)
            assert tokens.tokens == same.tokens, (name, text, tokens.tokens, same.tokens)
            cases.append([text, same.ids])
        (folder / f"{name}.json").write_text(
            "{\n"
            + f'"tokenizer": {json.dumps(description, ensure_ascii=False, separators=(",", ":"))},\n'
            + '"cases": [\n' + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n}\n"
        )
        print(name, len(description["model"]["vocab"]), len(description["model"]["merges"]), special)


main()
