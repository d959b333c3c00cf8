"""How long PyTorch takes for what `model-runtime passes` measures: decoding one token of every sequence after a context, and reading a
prompt, with a Llama's weights in bfloat16 and its cache in memory that stays, recorded in a CUDA graph.

usage: torch_peer.py FOLDER [--batch 1,8,32] [--context 512] [--rounds 50] [--compile]

With --compile also by torch.compile, which copies the whole cache at each step of the formula as it is written here: no fair peer.

FOLDER is as `llama_1b.py` writes it. Prints JSON. Needs torch, safetensors and a card.
"""

import argparse
import json
import pathlib
import statistics
import time

import safetensors.torch
import torch
import torch.nn.functional as F


class Llama:
    """The formula, over weights as files have them; queries, keys and values in one product, gate and up in one."""

    def __init__(self, folder, batch, positions):
        config = json.loads((folder / "config.json").read_text())
        weights = {}
        for file in sorted(folder.glob("*.safetensors")):
            weights |= safetensors.torch.load_file(file, device="cuda")
        self.heads, self.kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        self.dim, self.epsilon = config["head_dim"], config["rms_norm_eps"]
        self.embedding, self.norm = weights["model.embed_tokens.weight"], weights["model.norm.weight"]
        self.layers = []
        for index in range(config["num_hidden_layers"]):
            of = lambda name: weights[f"model.layers.{index}.{name}.weight"]
            self.layers.append((
                of("input_layernorm"),
                torch.cat([of("self_attn.q_proj"), of("self_attn.k_proj"), of("self_attn.v_proj")]),
                of("self_attn.o_proj"),
                of("post_attention_layernorm"),
                torch.cat([of("mlp.gate_proj"), of("mlp.up_proj")]),
                of("mlp.down_proj"),
            ))
        cache = (len(self.layers), batch, self.kv_heads, positions, self.dim)
        self.keys = torch.randn(cache, device="cuda", dtype=torch.bfloat16)
        self.values = torch.randn(cache, device="cuda", dtype=torch.bfloat16)
        theta = 500000.0 ** -(torch.arange(0, self.dim, 2, device="cuda").float() / self.dim)
        angles = torch.outer(torch.arange(positions, device="cuda").float(), theta).repeat(1, 2)
        self.cos, self.sin = angles.cos().bfloat16(), angles.sin().bfloat16()
        self.bytes = sum(weight.nbytes for weight in weights.values())

    def turn(self, x, positions):
        half = self.dim // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], -1)
        return x * self.cos[positions] + turned * self.sin[positions]

    def forward(self, tokens, positions, mask):
        """Tokens [batch, count] at `positions` [count]; the likeliest token after each sequence's last."""
        x = F.embedding(tokens, self.embedding)
        batch, count, width = x.shape
        for index, (norm1, qkv, output, norm2, gate_up, down) in enumerate(self.layers):
            y = F.linear(F.rms_norm(x, (width,), norm1, self.epsilon), qkv)
            y = y.view(batch, count, self.heads + 2 * self.kv_heads, self.dim).transpose(1, 2)
            q, k, v = y.split([self.heads, self.kv_heads, self.kv_heads], 1)
            q, k = self.turn(q, positions), self.turn(k, positions)
            self.keys[index, :batch].index_copy_(2, positions, k)
            self.values[index, :batch].index_copy_(2, positions, v)
            if count == 1:
                k, v = self.keys[index, :batch], self.values[index, :batch]
                y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)
            else:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
            x = x + F.linear(y.transpose(1, 2).reshape(batch, count, -1), output)
            gate, up = F.linear(F.rms_norm(x, (width,), norm2, self.epsilon), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        x = F.rms_norm(x[:, -1], (width,), self.norm, self.epsilon)
        return F.linear(x, self.embedding).argmax(-1)


def measure(step, rounds):
    """Milliseconds, one token read back per round."""
    for _ in range(5):
        step()
    torch.cuda.synchronize()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    return {"median_ms": statistics.median(times), "quartiles_ms": statistics.quantiles(times, n=4)[::2]}


def recorded(work):
    """The work in a CUDA graph; reads its answer back."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        answer = work()

    def step():
        graph.replay()
        answer.cpu()

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--batch", default="1,8,32")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    batches = [int(batch) for batch in args.batch.split(",")]
    positions = args.context + 64
    model = Llama(args.folder, max(batches), positions)
    report = {"torch": torch.__version__, "device": torch.cuda.get_device_name(), "weights_bytes": model.bytes}

    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)

    def copy():
        target.copy_(source)
        torch.cuda.synchronize()

    report["copy_gigabytes_per_second"] = 2 * source.nbytes / measure(copy, 20)["median_ms"] / 1e6
    del source, target

    at = torch.tensor([args.context], device="cuda")
    mask = (torch.arange(positions, device="cuda") <= args.context).view(1, 1, 1, positions)
    compiled = torch.compile(model.forward, fullgraph=True) if args.compile else None
    for batch in batches:
        tokens = torch.full((batch, 1), 17, device="cuda")
        report[f"decode {batch}, CUDA graph"] = measure(recorded(lambda: model.forward(tokens, at, mask)), args.rounds)
        if compiled:
            report[f"decode {batch}, torch.compile in a CUDA graph"] = measure(
                recorded(lambda: compiled(tokens, at, mask)), args.rounds
            )
    prompt = torch.randint(0, 500, (1, args.context), device="cuda")
    all_positions = torch.arange(args.context, device="cuda")
    report["prompt 1, CUDA graph"] = measure(recorded(lambda: model.forward(prompt, all_positions, None)), args.rounds)
    print(json.dumps(report, indent=1))


main()
