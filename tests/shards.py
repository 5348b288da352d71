"""Opens token shards with numpy as the README says, memory-mapped, and compares them with their manifest."""

import json
import os
import pathlib
import subprocess
import tempfile

import numpy as np

text = pathlib.Path(__file__).parent / "data" / "alice29.txt"
for method, dtype in (("bytes", np.uint8), ("equal-info", np.uint16)):
    with tempfile.TemporaryDirectory() as directory:
        tool = [os.environ["EQUALINFO"], "tokenize", "-q", "--model", "nano", "--rows-per-shard", "4"]
        subprocess.run([*tool, "--method", method, text, "-o", directory], check=True)
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
        if method == "bytes":
            first = np.load(pathlib.Path(directory) / manifest["shards"][0]["file"], mmap_mode="r")[0]
            assert first.tobytes() == text.read_bytes()[: len(first)]
