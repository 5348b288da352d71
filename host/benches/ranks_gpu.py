"""Times M2's training on this machine's GPUs, one process per GPU over NCCL: tokens/s by the number of GPUs, and
whether all train the same.

    python host/benches/ranks_gpu.py [--equalinfo target/release/equalinfo] [--preset 113m] [--ranks 1 2 4 8]

One rank over NCCL must end with the tensors of a process without a launcher, bit for bit; several with nearly the same
loss.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def train(tool, directory, run, ranks, options):
    """Runs once; returns tokens/s over its second half and the last loss."""
    line = [tool, "train", "m2", "-q", "--data", f"{directory}/tokens", "--preset", options.preset, "--batch", str(options.batch)]
    line += ["--steps", str(options.steps), "--validate-every", str(options.steps // 2), "--optimizer", options.optimizer]
    line += ["--device", options.device, "-o", f"{directory}/{run}"] + (["-T", "1"] if options.device == "cpu" else [])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    processes = []
    for rank in range(max(ranks, 1)):
        launched = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "EQUALINFO_PORT": port}
        variables = {name: str(value) for name, value in launched.items()} if ranks else {}
        processes.append(subprocess.Popen(line, env={**os.environ, **variables}))
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit(f"exit codes {codes}")
    last = [json.loads(line) for line in open(f"{directory}/{run}/metrics.jsonl")][-1]
    return last["bytes_per_second"] * last["positions"] / last["bytes"], last


def tensors(path):
    """The tensors of a checkpoint, without its metadata."""
    data = pathlib.Path(path).read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--equalinfo", default="target/release/equalinfo")
    parser.add_argument("--preset", default="113m")
    parser.add_argument("--ranks", type=int, nargs="+", help="numbers of processes (default: 1, 2, 4, ... GPUs)")
    parser.add_argument("--batch", type=int, default=256, help="rows of 512 tokens per step")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--optimizer", default="adamw", choices=["adamw", "adafactor"])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    options = parser.parse_args()
    ranks = options.ranks
    if not ranks:
        found = json.loads(subprocess.run([options.equalinfo, "devices", "--json"], check=True, capture_output=True).stdout)
        ranks = [count for count in (1, 2, 4, 8) if count <= len(found["gpus"])]
    with tempfile.TemporaryDirectory() as directory:
        text = HERE.parent.parent / "tests" / "data" / "alice29.txt"
        subprocess.run([options.equalinfo, "tokenize", "-q", text, "--method", "bytes", "-o", f"{directory}/tokens"], check=True)
        alone, expected = train(options.equalinfo, directory, "alone", 0, options)
        print("| ranks | tokens/s | of one without a launcher | train, bits/byte | dev |")
        print("|---|---|---|---|---|")
        rows = [("none", alone, expected)]
        for count in ranks:
            rate, last = train(options.equalinfo, directory, f"ranks-{count}", count, options)
            rows.append((count, rate, last))
            if count == 1 and tensors(f"{directory}/ranks-1/checkpoint.safetensors") != tensors(f"{directory}/alone/checkpoint.safetensors"):
                sys.exit("one rank ends in other tensors than a process without a launcher")
        for count, rate, last in rows:
            print(f"| {count} | {rate:,.0f} | {rate / alone:.2f} | {last['train_bits_per_byte']:.4f} | {last['dev_bits_per_byte']:.4f} |")
            if abs(last["dev_bits_per_byte"] / expected["dev_bits_per_byte"] - 1) > 0.01:
                sys.exit(f"{count} ranks: another loss")


if __name__ == "__main__":
    main()
