"""Times the kernels of a training step beside cuBLAS, scaled_dot_product_attention and PyTorch's compiled
cross-entropy, at the same shapes on the same GPU.

    cargo build --release -p equalinfo-kernels --features cuda --example time
    python host/benches/kernels_gpu.py [--time target/release/examples/time] [--device cuda]

Each runs alone, 20 times after three warm-up runs; operations are those that the result needs.
"""

import argparse
import json
import subprocess
import time

REPEATS = 20


def seconds(torch, device, call):
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        call()
    wait()
    started = time.perf_counter()
    for _ in range(REPEATS):
        call()
    wait()
    return (time.perf_counter() - started) / REPEATS


def theirs(torch, device, line):
    def random(*shape):
        return torch.randn(*shape, device=device, dtype=torch.bfloat16) / 16

    kernel, tokens = line["kernel"], line["tokens"]
    if kernel.startswith("linear"):
        x, w, y = random(tokens, line["inputs"]), random(line["outputs"], line["inputs"]), random(tokens, line["outputs"])
        call = {
            "linear forward": lambda: torch.mm(x, w.t()),
            "linear backward, input": lambda: torch.mm(y, w),
            "linear backward, weight": lambda: torch.mm(y.t(), x),
        }[kernel]
        return seconds(torch, device, call)
    if kernel.startswith("attention"):
        shape = (tokens // line["sequence"], line["heads"], line["sequence"], 64)
        q, k, v, dout = (random(*shape) for _ in range(4))
        attention = torch.nn.functional.scaled_dot_product_attention  # without the position bias that ours has
        if kernel == "attention forward":
            return seconds(torch, device, lambda: attention(q, k, v, is_causal=True))
        for part in (q, k, v):
            part.requires_grad_()
        out = attention(q, k, v, is_causal=True)
        return seconds(torch, device, lambda: torch.autograd.grad(out, (q, k, v), dout, retain_graph=True))
    x, w = random(tokens, line["inputs"]), random(line["outputs"], line["inputs"])
    x.requires_grad_()
    w.requires_grad_()
    targets = torch.randint(line["outputs"], (tokens,), device=device)

    @torch.compile
    def loss(x, w):
        return torch.nn.functional.cross_entropy(torch.mm(x, w.t()).float(), targets, reduction="sum")

    return seconds(torch, device, lambda: torch.autograd.grad(loss(x, w), (x, w)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", default="target/release/examples/time")
    parser.add_argument("--device", default="cuda", help="cpu: the shim's tiny shapes, as a check that this runs")
    arguments = parser.parse_args()
    line = [arguments.time] + ([] if arguments.device == "cuda" else ["cpu"])
    lines = [json.loads(line) for line in subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()]

    import torch

    print("| kernel | shape | ours, us | TFLOP/s | PyTorch, us | TFLOP/s | ours/PyTorch |")
    print("|---|---|---|---|---|---|---|")
    for line in lines:
        other = theirs(torch, arguments.device, line)
        shape = ", ".join(f"{line[key]} {key}" for key in ("tokens", "inputs", "outputs", "heads") if key in line)
        rate = [line["operations"] / time / 1e12 for time in (line["seconds"], other)]
        print(
            f"| {line['kernel']} ({line['model']}) | {shape} | {line['seconds'] * 1e6:.0f} | {rate[0]:.1f} "
            f"| {other * 1e6:.0f} | {rate[1]:.1f} | {line['seconds'] / other:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
