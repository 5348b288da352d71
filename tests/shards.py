"""Opens token shards memory-mapped with numpy, as the README shows, and compares them with their manifest."""

import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

text = pathlib.Path(__file__).parent / "data" / "alice29.txt"
for options, dtype in ((["--method", "bytes"], np.uint8), (["--method", "equal-info", "--model", "nano"], np.uint16)):
    with tempfile.TemporaryDirectory() as directory:
        tool = [os.environ["EQUALINFO"], "tokenize", "-q", "--rows-per-shard", "4"]
        subprocess.run([*tool, *options, text, "-o", directory], check=True)
        manifest = json.loads((pathlib.Path(directory) / "manifest.json").read_text())
        assert manifest["complete"] and manifest["shards"], manifest
        for shard in manifest["shards"]:
            tokens = np.load(pathlib.Path(directory) / shard["file"], mmap_mode="r")
            rows = np.load(pathlib.Path(directory) / shard["row_file"], mmap_mode="r")
            lengths, given, covered = rows.T
            assert isinstance(tokens, np.memmap) and tokens.dtype == dtype, tokens.dtype
            assert tokens.shape == (shard["rows"], manifest["settings"]["sequence"]), tokens.shape
            assert rows.shape == (shard["rows"], 3) and not given.any() and covered.sum() == shard["text"]
            assert lengths.sum() == shard["tokens"] and lengths.max() <= tokens.shape[1]
            assert all((row[length:] == 0).all() for row, length in zip(tokens, lengths))
        if "bytes" in options:
            first = np.load(pathlib.Path(directory) / manifest["shards"][0]["file"], mmap_mode="r")[0]
            assert first.tobytes() == text.read_bytes()[: len(first)]
