"""Times M2's training steps on a GPU, ours beside PyTorch's: tokens/s and the share of the device's peak.

    python host/benches/m2_gpu.py [--equalinfo target/release/equalinfo] [--presets 25m 113m 403m] [--only ours|torch]

Both use the same architecture, batch and AdamW; PyTorch runs in bf16 with f32 masters, `torch.compile`,
scaled_dot_product_attention and the fused optimizer. Operations are counted as in `equalinfo`: 6 per token and weight
of a product, including the output, and attention by the positions seen.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PRESETS = {"tiny": (2, 1, 256), "25m": (6, 8, 2048), "113m": (12, 12, 3072), "403m": (24, 16, 4096)}
VOCABULARIES = {256: ["--method", "bytes"], 65536: ["--method", "equal-info", "--model", "nano"]}
SEQUENCE, HEAD = 512, 64


def operations(preset, vocabulary):
    """Training operations per token."""
    layers, heads, ff = PRESETS[preset]
    d = HEAD * heads
    weights = vocabulary * d + layers * (4 * d * d + 3 * d * ff)
    return 6 * (weights + 2 * layers * d * (SEQUENCE + 1) / 2)


def ours(tool, preset, vocabulary, batch, steps, device):
    with tempfile.TemporaryDirectory() as directory:
        tokens, run = f"{directory}/tokens", f"{directory}/run"
        text = HERE.parent.parent / "tests" / "data" / "alice29.txt"
        subprocess.run([tool, "tokenize", "-q", text, *VOCABULARIES[vocabulary], "-o", tokens], check=True)
        line = [tool, "train", "m2", "-q", "--data", tokens, "--preset", preset, "--batch", str(batch), "--steps", str(steps)]
        line += ["--validate-every", str(steps // 2), "--optimizer", "adamw", "--device", device, "-o", run]
        subprocess.run(line, check=True)
        metrics = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
        last = metrics[-1]  # the first half warms up
        return last["bytes_per_second"] * last["positions"] / last["bytes"]


def pytorch(preset, vocabulary, batch, steps, device):
    import torch

    sys.path.insert(0, str(HERE))
    import train_torch

    torch.set_float32_matmul_precision("high")
    torch.manual_seed(1)
    layers, heads, ff = PRESETS[preset]
    model = train_torch.Model(layers, heads, ff, SEQUENCE, vocabulary).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    compiled = torch.compile(model)

    def step(rows):
        optimizer.zero_grad(set_to_none=True)
        for part in rows:
            with torch.autocast(device, dtype=torch.bfloat16):
                loss = compiled(part[:, :-1], part[:, 1:]) / len(rows)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    # As many rows at once as fit: with 65,536 tokens the logits of a whole batch do not.
    micro = batch
    while micro >= 1:
        try:
            rows = [torch.randint(vocabulary, (micro, SEQUENCE + 1), device=device) for _ in range(batch // micro)]
            for _ in range(3):
                step(rows)
            break
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            micro //= 2
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    for _ in range(steps // 2):
        step(rows)
    wait()
    return steps // 2 * batch * SEQUENCE / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equalinfo", default="target/release/equalinfo")
    parser.add_argument("--presets", nargs="+", default=["25m", "113m", "403m"], choices=PRESETS)
    parser.add_argument("--vocabularies", nargs="+", type=int, default=[256, 65536], choices=VOCABULARIES)
    parser.add_argument("--batch", type=int, default=64, help="rows of 512 tokens per step")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--peak", type=float, default=989e12, help="dense bf16 operations per second (H100 and H200 SXM)")
    parser.add_argument("--only", choices=["ours", "torch"])
    options = parser.parse_args()
    print("| M2 | v | ours, tokens/s | share of the peak | PyTorch, tokens/s | share | ours / PyTorch |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for preset in options.presets:
        for vocabulary in options.vocabularies:
            arguments = (preset, vocabulary, options.batch, options.steps, options.device)
            rates = [
                ours(options.equalinfo, *arguments) if options.only != "torch" else None,
                pytorch(*arguments) if options.only != "ours" else None,
            ]
            cells = []
            for rate in rates:
                share = rate and rate * operations(preset, vocabulary) / options.peak
                cells += [f"{rate:,.0f}", f"{share:.1%}"] if rate else ["-", "-"]
            ratio = f"{rates[0] / rates[1]:.2f}" if all(rates) else "-"
            print(f"| {preset} | {vocabulary:,} | {' | '.join(cells)} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
