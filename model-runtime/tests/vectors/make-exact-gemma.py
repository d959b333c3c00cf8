#!/usr/bin/env python3
"""Writes exact-gemma.json: what transformers makes of the sequences of llama-cpp-gemma.json in f32, from the same GGUF file.

  /tmp/reference/bin/pip install torch transformers gguf accelerate
  /tmp/reference/bin/python make-exact-gemma.py FOLDER      # that holds gemma-3-270m-q4_k_m.gguf, see scripts/get-model

Per sequence and token: the likeliest next token and by how much its logit is above the second's. Made with transformers 5.23.0 and torch
2.15.0.
"""

import json
import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM

here = pathlib.Path(__file__).parent
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], gguf_file="gemma-3-270m-q4_k_m.gguf", dtype=torch.float32).eval()
cases = []
for case in json.loads((here / "llama-cpp-gemma.json").read_text())["cases"]:
    with torch.no_grad():
        rows = model(torch.tensor([case["prompt_ids"] + case["greedy_ids"]])).logits[0]
    best = rows.topk(2)
    gaps = (best.values[:, 0] - best.values[:, 1]).tolist()
    cases.append({"likeliest": best.indices[:, 0].tolist(), "gaps": [round(gap, 5) for gap in gaps]})
(here / "exact-gemma.json").write_text("[\n" + ",\n".join(f"  {json.dumps(case)}" for case in cases) + "\n]\n")
