"""Compares the integer M1 on a GPU with the CPU: the same bytes, and the speed of each.

    python host/benches/codec_gpu.py CORPUS [--equalinfo target/release/equalinfo] [--models nano micro]
        [--text 64M] [--windows 1000000]

CORPUS is one or more plain texts. Both devices cut it into 16-bit windows until the requested number is reached,
compress its beginning with arithmetic coding and with windows, and restore it; a difference in any byte ends the run
with an error. Times are wall times of whole commands, with kernels compiled beforehand.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import tempfile
import time


def run(line):
    started = time.perf_counter()
    subprocess.run(line, check=True)
    return time.perf_counter() - started


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tokens(tool, corpus, model, windows, device, directory):
    line = [tool, "tokenize", "-q", *corpus, "--model", model, "--window-bits", "16", "--token-bits", "16"]
    seconds = run([*line, "--tokens", str(windows), "--layout", "stream", "--device", device, "-o", directory])
    manifest = json.loads((directory / "manifest.json").read_text())
    shards = [shard["sha256"] for shard in manifest["shards"]]
    count = sum(shard["tokens"] for shard in manifest["shards"])
    return seconds, count, hashlib.sha256("".join(shards).encode()).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="+")
    parser.add_argument("--equalinfo", default="target/release/equalinfo")
    parser.add_argument("--models", nargs="+", default=["nano", "micro"])
    parser.add_argument("--text", type=int, default=64 << 20, help="bytes to compress")
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--devices", nargs=2, default=["cpu", "cuda"])
    arguments = parser.parse_args()
    tool, devices = arguments.equalinfo, arguments.devices
    print("| model | work | " + " | ".join(devices) + " | SHA-256 of both |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        text = directory / "text"
        with open(text, "wb") as file:
            for path in arguments.corpus:
                file.write(pathlib.Path(path).read_bytes()[: arguments.text - file.tell()])
        for model in arguments.models:
            small = directory / "small"
            small.write_bytes(text.read_bytes()[:100_000])
            for device in devices:  # compiles the kernels once, into the cache
                run([tool, "compress", "-qf", small, "--model", model, "--device", device, "-o", directory / "warm"])

            made = [
                tokens(tool, arguments.corpus, model, arguments.windows, device, directory / f"{model}-{device}") for device in devices
            ]
            assert made[0][1:] == made[1][1:], f"{model}: windows differ: {made}"
            rates = [f"{count / seconds / 1e3:,.0f} k windows/s" for seconds, count, _ in made]
            print(f"| {model} | {made[0][1]:,} windows of 16 bits | {rates[0]} | {rates[1]} | {made[0][2][:16]} |")

            for name, options in (("ac", ["--method", "ac"]), ("windows of 64 bits", ["--method", "equal-info", "--window-bits", "64", "--code", "default"])):
                streams = [directory / f"{device}.eqi" for device in devices]
                line = [tool, "compress", "-qf", text, "--model", model, *options, "--block-size", "4K"]
                written = [run([*line, "--device", device, "-o", stream]) for device, stream in zip(devices, streams)]
                assert digest(streams[0]) == digest(streams[1]), f"{model}, {name}: streams differ"
                restored = [directory / f"{device}.text" for device in devices]
                line = [tool, "decompress", "-qf", streams[0], "--model", model]
                read = [run([*line, "--device", device, "-o", back]) for device, back in zip(devices, restored)]
                assert digest(restored[0]) == digest(restored[1]) == digest(text), f"{model}, {name}: texts differ"
                for work, seconds in (("compress", written), ("decompress", read)):
                    rates = [f"{text.stat().st_size / s / 1e6:.2f} MB/s" for s in seconds]
                    print(f"| {model} | {work}, {name} | {rates[0]} | {rates[1]} | {digest(streams[0])[:16]} |")


if __name__ == "__main__":
    main()
