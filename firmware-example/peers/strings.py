#!/usr/bin/env python3
"""The strings of tests/data/strings/ui.json by other compressors for small devices, each string alone, as it must be to
be looked up: pip install tamp unishox2-py3 heatshrink2. Ours: equalinfo table build.

  firmware-example/peers/strings.py [FILE.json]
"""

import json
import pathlib
import sys
import zlib

import heatshrink2
import tamp
import unishox2

DEFAULT = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/data/strings/ui.json"


def deflate(text):
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(text) + compressor.flush()


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    texts = [text.encode() for text in json.loads(path.read_text()).values()]
    compressors = {
        "as they are": lambda text: text,
        "unishox2": lambda text: unishox2.compress(text.decode())[0],
        "tamp": lambda text: tamp.compress(text, window=8),
        "heatshrink": heatshrink2.compress,
        "deflate": deflate,
    }
    print(f"{len(texts)} strings of {sum(map(len, texts))} bytes\n\n| | bytes | with lengths of a byte |\n|---|---|---|")
    for name, compress in compressors.items():
        size = sum(len(compress(text)) for text in texts)
        print(f"| {name} | {size:,} | {size + len(texts):,} |")


if __name__ == "__main__":
    main()
