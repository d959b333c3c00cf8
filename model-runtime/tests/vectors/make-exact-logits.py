#!/usr/bin/env python3
"""Writes exact-logits.json: logits of one prompt by a plain float64 Llama in numpy, sharing no code with the crate.

    python3 -m pip install numpy
    python3 make-exact-logits.py MODEL.gguf

The weights are the file's, dequantised; everything after that is float64. Reads llama-cpp.json for the prompt's tokens.
"""
import json
import pathlib
import struct
import sys

import numpy as np

CASE = "turns"
SAMPLED_EVERY = 1009  # besides the top tokens, logits of every so many tokens are kept
TOP = 32


class Gguf:
    def __init__(self, path):
        self.data = np.memmap(path, dtype=np.uint8, mode="r")
        self.at = 0
        assert bytes(self.data[:4]) == b"GGUF"
        self.at = 8
        tensors, entries = self.read("<QQ")
        self.meta = {}
        for _ in range(entries):
            key = self.string()
            self.meta[key] = self.value(self.read("<I")[0])
        infos = {}
        for _ in range(tensors):
            name = self.string()
            rank = self.read("<I")[0]
            sizes = self.read(f"<{rank}Q")
            kind, offset = self.read("<IQ")
            infos[name] = (sizes, kind, offset)
        self.start = -(-self.at // 32) * 32
        self.infos = infos

    def read(self, layout):
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += struct.calcsize(layout)
        return values

    def string(self):
        length = self.read("<Q")[0]
        text = bytes(self.data[self.at : self.at + length]).decode()
        self.at += length
        return text

    def value(self, kind):
        if kind == 8:
            return self.string()
        if kind == 9:
            inner, count = self.read("<IQ")
            return [self.value(inner) for _ in range(count)]
        return self.read("<" + {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}[kind])[0]

    def tensor(self, name):
        sizes, kind, offset = self.infos[name]
        count = int(np.prod(sizes))
        raw = self.data[self.start + offset :]
        if kind == 0:
            values = raw[: count * 4].view("<f4").astype(np.float64)
        elif kind == 8:  # Q8_0
            blocks = raw[: count // 32 * 34].reshape(-1, 34)
            scale = blocks[:, :2].copy().view("<f2").astype(np.float64)
            values = scale * blocks[:, 2:].copy().view(np.int8)
        elif kind == 3:  # Q4_1
            blocks = raw[: count // 32 * 20].reshape(-1, 20)
            both = blocks[:, :4].copy().view("<f2").astype(np.float64)
            quants = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
            values = both[:, :1] * quants + both[:, 1:]
        else:
            raise SystemExit(f"{name} has type {kind}")
        return values.reshape(tuple(reversed(sizes)))


def logits(gguf, ids):
    meta = gguf.meta
    heads, kv_heads = meta["llama.attention.head_count"], meta["llama.attention.head_count_kv"]
    head = meta["llama.embedding_length"] // heads
    epsilon, base = meta["llama.attention.layer_norm_rms_epsilon"], meta["llama.rope.freq_base"]
    count = len(ids)

    def norm(x, name):
        return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon) * gguf.tensor(name)

    angles = np.arange(count)[:, None] * base ** (-np.arange(0, head, 2) / head)[None, :]
    turn = np.exp(1j * angles)

    def rope(x):  # neighbours are the two parts of a complex number
        pairs = (x[..., 0::2] + 1j * x[..., 1::2]) * turn[:, None, :]
        return np.stack([pairs.real, pairs.imag], axis=-1).reshape(x.shape)

    embedding = gguf.tensor("token_embd.weight")
    x = embedding[ids]
    visible = np.tril(np.ones((count, count), dtype=bool))
    for layer in range(meta["llama.block_count"]):
        weight = lambda name: gguf.tensor(f"blk.{layer}.{name}.weight")
        normed = norm(x, f"blk.{layer}.attn_norm.weight")
        q = rope((normed @ weight("attn_q").T).reshape(count, heads, head))
        k = rope((normed @ weight("attn_k").T).reshape(count, kv_heads, head))
        v = (normed @ weight("attn_v").T).reshape(count, kv_heads, head)
        mixed = np.empty((count, heads, head))
        for h in range(heads):
            shared = h // (heads // kv_heads)
            scores = q[:, h] @ k[:, shared].T / np.sqrt(head)
            scores = np.where(visible, scores, -np.inf)
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            mixed[:, h] = scores / scores.sum(axis=1, keepdims=True) @ v[:, shared]
        x = x + mixed.reshape(count, -1) @ weight("attn_output").T
        normed = norm(x, f"blk.{layer}.ffn_norm.weight")
        gate = normed @ weight("ffn_gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (normed @ weight("ffn_up").T)) @ weight("ffn_down").T
    return norm(x, "output_norm.weight") @ embedding.T


def main():
    here = pathlib.Path(__file__).parent
    cases = json.loads((here / "llama-cpp.json").read_text())["cases"]
    case = next(case for case in cases if case["name"] == CASE)
    ids = case["prompt_ids"]
    rows = logits(Gguf(sys.argv[1]), ids)
    last = rows[-1]
    kept = sorted(set(np.argsort(-last)[:TOP].tolist()) | set(range(0, len(last), SAMPLED_EVERY)))
    result = {
        "case": CASE,
        "prompt_ids": ids,
        "likeliest_after_each": [int(row.argmax()) for row in rows],
        "largest_after_each": [round(float(row.max()), 6) for row in rows],
        "last_logits": [[token, round(float(last[token]), 6)] for token in kept],
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
    (here / "exact-logits.json").write_text("{\n" + lines + "\n}\n")


main()
