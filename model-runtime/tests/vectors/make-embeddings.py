#!/usr/bin/env python3
"""Writes embeddings/tiny/ (a random BERT with a small vocabulary, and its vectors) and embeddings/minilm.json (vectors of
all-MiniLM-L6-v2), as transformers computes them in f32: mean of all tokens' rows, normalised, which is what sentence-transformers does.

  /tmp/reference/bin/python make-embeddings.py FOLDER      # of all-MiniLM-L6-v2, see scripts/get-model

Made with transformers 5.23.0 and torch 2.15.0.
"""

import json
import pathlib
import shutil
import sys

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "A fast auburn animal leaps above an idle hound.",
    "How do I get a mortgage in Portugal?",
    "Fünf zügige Füchse — naïve café, 日本語, 🙂!",
    "x",
    "",
    "word " * 400,
]
WORDS = "the quick brown fox jump ##s over lazy dog . a fast animal how do i get in ? x word , ! na ##ive cafe".split()

source = pathlib.Path(sys.argv[1])
here = pathlib.Path(__file__).parent / "embeddings"


def vectors(model, tokenizer, length):
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)
    answers = []
    for text in TEXTS:
        ids = tokenizer.encode(text.strip()).ids
        with torch.no_grad():
            rows = model(torch.tensor([ids])).last_hidden_state[0]
        vector = torch.nn.functional.normalize(rows.mean(0), dim=0)
        answers.append({"text": text, "tokens": len(ids), "vector": [round(x, 6) for x in vector.tolist()]})
    return answers


def write(path, answers):
    path.write_text("[\n" + ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers) + "\n]\n")


def tiny():
    folder = here / "tiny"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    description = json.loads((source / "tokenizer.json").read_text())
    characters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys([*WORDS, *characters, *(f"##{c}" for c in characters)])]
    ids = {text: index for index, text in enumerate(vocabulary)}
    description["model"]["vocab"] = ids
    for token in description["added_tokens"]:
        token["id"] = ids[token["content"]]
    for token in description["post_processor"]["special_tokens"].values():
        token["ids"] = [ids[token["id"]]]
    (folder / "tokenizer.json").write_text(json.dumps(description, ensure_ascii=False))
    torch.manual_seed(5)
    config = BertConfig(vocab_size=len(ids), hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=40, max_position_embeddings=32)
    model = BertModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + (1.0 if name.endswith("LayerNorm.weight") else 0.0))
    model.save_pretrained(folder)
    (folder / "sentence_bert_config.json").write_text('{ "max_seq_length": 24 }\n')
    write(folder / "expected.json", vectors(model, Tokenizer.from_file(str(folder / "tokenizer.json")), 24))


tiny()
model = BertModel.from_pretrained(source, dtype=torch.float32).eval()
write(here / "minilm.json", vectors(model, Tokenizer.from_file(str(source / "tokenizer.json")), 256))
