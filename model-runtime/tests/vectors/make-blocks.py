#!/usr/bin/env python3
"""Writes blocks.json: random blocks of every tensor type and the numbers that gguf-py makes of them, both as hex of little-endian bytes.

  pip install gguf==0.19.0 && python3 make-blocks.py
"""

import json
import pathlib

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

# Where each type's 16-bit scales lie, which must be finite.
SCALES = {"F16": [], "BF16": [], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

random = np.random.default_rng(1)
cases = []
for name, scales in SCALES.items():
    weights, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = 2 if weights > 1 else 16
    blocks = random.integers(0, 256, (count, size), dtype=np.uint8)
    if name == "F16":
        blocks = random.standard_normal(count).astype("<f2").view(np.uint8).reshape(count, 2)
    if name == "BF16":
        blocks = (random.standard_normal(count).astype("<f4").view("<u4") >> 16).astype("<u2").view(np.uint8).reshape(count, 2)
    for at in scales:
        blocks[:, at : at + 2] = (random.standard_normal(count) * 0.1).astype("<f2").view(np.uint8).reshape(count, 2)
    numbers = dequantize(blocks.reshape(1, -1), GGMLQuantizationType[name]).astype("<f4").ravel()
    assert np.isfinite(numbers).all()
    cases.append({"kind": name, "bytes": blocks.tobytes().hex(), "weights": numbers.tobytes().hex()})

lines = ",\n".join(f"  {json.dumps(case)}" for case in cases)
(pathlib.Path(__file__).parent / "blocks.json").write_text(f"[\n{lines}\n]\n")
