#!/usr/bin/env python3
"""Writes families/NAME/: a tiny checkpoint of every family with random weights, as transformers saves it, and the logits transformers
computes with it in f32.

  python3 -m venv /tmp/reference && /tmp/reference/bin/pip install torch transformers
  /tmp/reference/bin/python make-families.py

Made with transformers 5.23.0 and torch 2.15.0. Weights are saved in 16 bits (one checkpoint in 32) and the logits are of those rounded
weights. `expected.json` has the tokens, and the logits after some of them.
"""

import json
import pathlib
import shutil

import torch
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

SIZES = dict(
    vocab_size=64,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=256,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
TOKENS = 60
KEPT = (0, 1, 9, 30, 59)

# name, class, configuration, type of the saved weights, bytes of a shard
CASES = [
    ("llama", LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=False, rope_parameters=LLAMA3), torch.bfloat16, "20KB"),
    ("llama-tied", LlamaForCausalLM, LlamaConfig(**SIZES, tie_word_embeddings=True, rope_parameters=dict(rope_type="linear", rope_theta=5000.0, factor=2.0)), torch.float16, "1GB"),
    ("mistral", MistralForCausalLM, MistralConfig(**{**SIZES, "num_key_value_heads": 1}, head_dim=12, sliding_window=10, tie_word_embeddings=False), torch.bfloat16, "1GB"),
    ("qwen2", Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=True, use_sliding_window=False, sliding_window=None), torch.bfloat16, "1GB"),
    ("qwen2-windows", Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=False, use_sliding_window=True, sliding_window=7, max_window_layers=1), torch.bfloat16, "1GB"),
    ("qwen3", Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=True), torch.float32, "1GB"),
    (
        "gemma3",
        Gemma3ForCausalLM,
        Gemma3TextConfig(
            **{**SIZES, "num_hidden_layers": 4, "num_key_value_heads": 1},
            head_dim=16,
            sliding_window=8,
            layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
            query_pre_attn_scalar=24,
            final_logit_softcapping=20.0,
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=4.0, rope_theta=100000.0),
                sliding_attention=dict(rope_type="default", rope_theta=10000.0),
            ),
        ),
        torch.bfloat16,
        "1GB",
    ),
]


def make(name, kind, config, dtype, shard, folder):
    torch.manual_seed(sum(name.encode()))
    config._attn_implementation = "eager"
    model = kind(config).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                base = 0.0 if name.startswith("gemma") or parameter_name.endswith("bias") else 1.0
                parameter.copy_(base + 0.3 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * (1.0 if "embed" in parameter_name or "lm_head" in parameter_name else 0.25))
            parameter.copy_(parameter.to(dtype).to(torch.float32))
        tokens = torch.randint(0, config.vocab_size, (1, TOKENS))
        logits = model(tokens).logits[0]
    shutil.rmtree(folder, ignore_errors=True)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    rows = {str(row): [round(x, 6) for x in logits[row].tolist()] for row in KEPT}
    body = ",\n".join(f'    "{row}": {json.dumps(values)}' for row, values in rows.items())
    (folder / "expected.json").write_text(f'{{\n  "tokens": {json.dumps(tokens[0].tolist())},\n  "logits_after": {{\n{body}\n  }}\n}}\n')
    print(name, sum(p.numel() for p in model.parameters()), float(logits.abs().max()))


for case in CASES:
    make(*case, pathlib.Path(__file__).parent / "families" / case[0])
