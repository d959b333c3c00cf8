"""Writes a folder like Hugging Face's with random bfloat16 weights of Llama 3.2 1B's sizes: real enough for speed, nothing to download.

usage: llama_1b.py FOLDER [--layers N] [--gguf q8_0|q4_1|q4_k|q6_k ...]

With --gguf, the same weights also as FOLDER/KIND.gguf.

Needs torch, transformers and tokenizers.
"""

import argparse
import pathlib
import struct

import tokenizers
import torch
import transformers


def q8_0(weights):
    """Blocks of 32: a scale of 16 bits and 32 bytes."""
    blocks = weights.float().reshape(-1, 32)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).half()
    numbers = (blocks / scale.float()).round().clamp(-127, 127).to(torch.int8)
    return torch.cat([scale.view(torch.uint8), numbers.view(torch.uint8)], 1)


def q4_1(weights):
    """Blocks of 32: scale and minimum of 16 bits, and 16 bytes of two numbers each."""
    blocks = weights.float().reshape(-1, 32)
    least, most = blocks.amin(1, keepdim=True).half(), blocks.amax(1, keepdim=True)
    scale = ((most - least.float()) / 15).half()
    numbers = ((blocks - least.float()) / scale.float()).round().clamp(0, 15).to(torch.uint8)
    # Numbers i and i + 16 share a byte.
    return torch.cat([scale.view(torch.uint8), least.view(torch.uint8), numbers[:, :16] | numbers[:, 16:] << 4], 1)


def q4_k(weights):
    """Blocks of 256: two scales of 16 bits, eight scales and eight minimums of 6 bits, and 128 bytes of two numbers each."""
    blocks = weights.float().reshape(-1, 8, 32)
    least = (-blocks.amin(2)).clamp(min=0)
    step = (blocks.amax(2) + least) / 15
    scale, minimum = (step.amax(1, keepdim=True) / 63).half(), (least.amax(1, keepdim=True) / 63).half()
    scales = (step / scale.float()).round().clamp(1, 63).to(torch.uint8)
    minimums = (least / minimum.float()).round().clamp(0, 63).to(torch.uint8)
    steps, leasts = scale.float() * scales, minimum.float() * minimums
    numbers = ((blocks + leasts[..., None]) / steps[..., None]).round().clamp(0, 15).to(torch.uint8)
    # The last four's upper two bits lie above the first four's six.
    first = [scales[:, :4] | (scales[:, 4:] >> 4) << 6, minimums[:, :4] | (minimums[:, 4:] >> 4) << 6]
    last = (scales[:, 4:] & 15) | (minimums[:, 4:] & 15) << 4
    pairs = numbers[:, 0::2] | numbers[:, 1::2] << 4
    return torch.cat([scale.view(torch.uint8), minimum.view(torch.uint8), *first, last, pairs.reshape(-1, 128)], 1)


def q6_k(weights):
    """Blocks of 256: 128 bytes of low and 64 of high bits, sixteen scales of 8 bits, and one of 16."""
    blocks = weights.float().reshape(-1, 16, 16)
    step = blocks.abs().amax(2) / 31
    scale = (step.amax(1, keepdim=True) / 127).half()
    scales = (step / scale.float()).round().clamp(1, 127)
    numbers = (blocks / (scale.float() * scales)[..., None]).round().clamp(-32, 31).to(torch.int16) + 32
    # Halves of 128 numbers, in quarters of 32.
    quarters = numbers.to(torch.uint8).reshape(-1, 2, 4, 32)
    low = torch.cat([(quarters[:, :, :2] & 15) | (quarters[:, :, 2:] & 15) << 4], 2).reshape(-1, 128)
    high = sum((quarters[:, :, i] >> 4) << (2 * i) for i in range(4)).reshape(-1, 64)
    return torch.cat([low, high, scales.to(torch.int8).view(torch.uint8), scale.view(torch.uint8)], 1)


KINDS = {"q8_0": (8, q8_0), "q4_1": (3, q4_1), "q4_k": (12, q4_k), "q6_k": (14, q6_k)}


def write_gguf(path, model, config, vocabulary, kind):
    """GGUF version 3. Source: ggml's docs/gguf.md."""
    type_id, quantise = KINDS[kind]

    def text(value):
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    def number(value):
        return struct.pack("<II", 4, value)

    def texts(values):
        return struct.pack("<IIQ", 9, 8, len(values)) + b"".join(map(text, values))

    tokens = sorted(vocabulary, key=vocabulary.get)
    metadata = {
        "general.architecture": struct.pack("<I", 8) + text("llama"),
        "llama.block_count": number(config.num_hidden_layers),
        "llama.context_length": number(config.max_position_embeddings),
        "llama.embedding_length": number(config.hidden_size),
        "llama.feed_forward_length": number(config.intermediate_size),
        "llama.attention.head_count": number(config.num_attention_heads),
        "llama.attention.head_count_kv": number(config.num_key_value_heads),
        "llama.rope.freq_base": struct.pack("<If", 6, 500000.0),
        "llama.attention.layer_norm_rms_epsilon": struct.pack("<If", 6, config.rms_norm_eps),
        "tokenizer.ggml.model": struct.pack("<I", 8) + text("gpt2"),
        "tokenizer.ggml.pre": struct.pack("<I", 8) + text("smollm"),
        "tokenizer.ggml.tokens": texts(tokens),
        "tokenizer.ggml.token_type": struct.pack("<IIQ", 9, 5, len(tokens))
        + b"".join(struct.pack("<i", 3 if index < 2 else 1) for index in range(len(tokens))),
        "tokenizer.ggml.merges": texts(["a b"]),
        "tokenizer.ggml.eos_token_id": number(1),
        "tokenizer.ggml.add_bos_token": struct.pack("<I?", 7, False),
    }
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    tensors = {}
    for name, weights in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        name = name.removesuffix(".weight")
        if name.startswith("model.layers."):
            _, _, layer, rest = name.split(".", 3)
            tensors[f"blk.{layer}.{names[rest]}.weight"] = weights
        else:
            tensors[names[name] + ".weight"] = weights
    header, data = b"", []
    offset = 0
    for name, weights in tensors.items():
        matrix = weights.dim() == 2
        raw = quantise(weights) if matrix else weights.float().view(torch.uint8)
        raw = raw.reshape(-1).cpu()
        sizes = list(reversed(weights.shape))
        header += text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, type_id if matrix else 0, offset)
        padding = -len(raw) % 32
        data.append(raw.numpy().tobytes() + bytes(padding))
        offset += len(raw) + padding
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(text(key) + value for key, value in metadata.items()) + header
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        file.writelines(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--gguf", choices=KINDS, nargs="*", default=[])
    args = parser.parse_args()
    torch.manual_seed(64)
    config = transformers.LlamaConfig(
        vocab_size=128256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=args.layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        max_position_embeddings=131072,
        rms_norm_eps=1e-5,
        rope_theta=500000.0,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        torch_dtype=torch.bfloat16,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = transformers.LlamaForCausalLM(config)
    model.save_pretrained(args.folder)
    # Bytes and two control tokens: the prompts of measurements are tokens already.
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<begin>", "<end>", *alphabet, "ab"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, [("a", "b")]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(["<begin>", "<end>"])
    tokenizer.save(str(args.folder / "tokenizer.json"))
    (args.folder / "tokenizer_config.json").write_text('{"bos_token": "<begin>", "eos_token": "<end>"}\n')
    for kind in args.gguf:
        write_gguf(args.folder / f"{kind}.gguf", model, config, vocabulary, kind)


main()
