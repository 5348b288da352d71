"""Training speed of the same architecture, shapes and optimizer in PyTorch, for host/train/benches/train.rs.

    pip install torch && python host/benches/train_torch.py [SECONDS]
"""

import math
import sys
import time

import torch
import torch.nn.functional as F

BATCH, SEQUENCE, HEAD, BUCKETS = 32, 512, 64, 32
PRESETS = {"nano": (2, 1, 192, 128), "micro": (3, 2, 384, 256), "3m": (3, 4, 1024, 256)}


def bucket(distance):
    if distance < 16:
        return distance
    return min(31, 16 + int(math.log(distance / 16) / math.log(8) * 16))


class Layer(torch.nn.Module):
    def __init__(self, d, heads, ff):
        super().__init__()
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.heads, self.qkv, self.out = heads, linear(d, 3 * d), linear(d, d)
        self.gate_linear, self.down = linear(d, 2 * ff), linear(ff, d)
        self.bias = torch.nn.Parameter(torch.zeros(heads, BUCKETS))

    def forward(self, x, buckets, mask):
        b, t, d = x.shape
        q, k, v = self.qkv(F.rms_norm(x, (d,))).view(b, t, 3, self.heads, HEAD).permute(2, 0, 3, 1, 4)
        bias = self.bias[:, buckets] + mask
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        x = x + self.out(o.transpose(1, 2).reshape(b, t, d))
        gate, linear = self.gate_linear(F.rms_norm(x, (d,))).chunk(2, -1)
        return x + self.down(F.relu(gate) * linear)


class Model(torch.nn.Module):
    def __init__(self, layers, heads, ff, context, vocabulary=256):
        super().__init__()
        d = HEAD * heads
        self.vocabulary = vocabulary
        self.embedding = torch.nn.Embedding(vocabulary + 1, d)
        self.layers = torch.nn.ModuleList(Layer(d, heads, ff) for _ in range(layers))
        distance = torch.arange(SEQUENCE)[:, None] - torch.arange(SEQUENCE)[None, :]
        table = torch.tensor([bucket(n) for n in range(SEQUENCE)])
        self.register_buffer("buckets", table[distance.clamp(min=0)])
        visible = (distance >= 0) & (distance < context)
        self.register_buffer("mask", torch.zeros(SEQUENCE, SEQUENCE).masked_fill(~visible, -math.inf))

    def forward(self, symbols, targets):
        x = self.embedding(symbols) * self.embedding.embedding_dim**0.5
        for layer in self.layers:
            x = layer(x, self.buckets, self.mask)
        logits = F.linear(F.rms_norm(x, x.shape[-1:]), self.embedding.weight[: self.vocabulary]).float()
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return loss + 1e-4 * logits.logsumexp(-1).square().mean()


def rate(preset, dtype, seconds):
    torch.manual_seed(1)
    model = Model(*PRESETS[preset])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    started, count = None, 0
    while started is None or time.perf_counter() - started < seconds:
        symbols = torch.randint(256, (BATCH, SEQUENCE))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(symbols, symbols.roll(-1, 1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if started is None:
            started = time.perf_counter()  # the first step warms up
        else:
            count += 1
    return count * BATCH * SEQUENCE / (time.perf_counter() - started)


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, batches of {BATCH} x {SEQUENCE} bytes")
    for dtype in ("f32", "bf16"):
        for preset in PRESETS:
            print(f"{preset:8} {dtype:6} {rate(preset, dtype, seconds) / 1e3:10.1f} KB/s", flush=True)
