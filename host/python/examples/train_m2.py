"""From a text to tokens, to a small M2 trained on them, to a sample of it: two minutes on two cores.

    python train_m2.py book.txt [--steps 600] [--save checkpoint.safetensors]

Tokens are the bytes of 16-bit windows, so the vocabulary is 256 and a short run already learns something; with
``token_bits=16`` a token is a window, and M2 needs far more text.
"""

import argparse
import math
import time

import numpy as np
import torch

import equalinfo
from equalinfo.torch import M2, Config
from safetensors.torch import save_file

ROW = 128
BATCH = 16


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("text", help="a file of text")
    arguments.add_argument("--steps", type=int, default=600)
    arguments.add_argument("--save", help="write the weights, as safetensors")
    arguments = arguments.parse_args()
    torch.manual_seed(1)
    # So small a model gains nothing from more, and on a busy machine they wait for each other.
    torch.set_num_threads(1)

    # Text to tokens. The last tenth is held out.
    text = open(arguments.text, "rb").read()
    cut = len(text) * 9 // 10
    tokenizer = equalinfo.Tokenizer.windows("nano", bits=16, token_bits=8)
    tokenizer.compile()
    training, held_out = (tokenizer.encode(part).astype(np.int64) for part in (text[:cut], text[cut:]))
    bytes_per_token = cut / len(training)
    print(f"{tokenizer.name}: {len(training)} tokens, {bytes_per_token:.2f} bytes of text in each")

    # Rows begin at any window, behind the start symbol.
    def batch(tokens, begins):
        rows = torch.from_numpy(np.stack([tokens[begin : begin + ROW] for begin in begins]))
        starts = torch.full((len(rows), 1), tokenizer.bos_id)
        return torch.cat([starts, rows[:, :-1]], 1), rows

    @torch.no_grad()
    def bits_per_byte():
        begins = range(0, len(held_out) - ROW, ROW)
        nats = sum(model.losses(*batch(held_out, [begin])).mean().item() for begin in begins) / len(begins)
        return nats / math.log(2) / bytes_per_token

    model = M2(Config.preset("tiny", tokenizer.vocabulary, ROW))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, arguments.steps, pct_start=0.1)
    choose = np.random.default_rng(1)
    began = time.monotonic()
    for step in range(1, arguments.steps + 1):
        begins = 2 * choose.integers((len(training) - ROW) // 2, size=BATCH)
        loss = model.loss(*batch(training, begins))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == arguments.steps:
            print(f"step {step}: {bits_per_byte():.3f} bits per byte of held-out text, {time.monotonic() - began:.0f} s")

    if arguments.save:
        save_file(model.state_dict(), arguments.save)

    # Tokens back to text, as they are drawn.
    decoder = tokenizer.decoder("utf-8", errors="replace")
    print(decoder.push(model.sample(tokens=ROW, temperature=0.8)))


if __name__ == "__main__":
    main()
