"""Corpora to token shards on a Ray cluster.

    python tokenize_ray.py 'corpus/*.jsonl.zst' -o tokens --parts 1000 --actors 64

Part i of n has the files i, i + n, i + 2n, ... in the order of their names, and becomes the directory
tokens/part-0000i: the shards that ``equalinfo tokenize --shard i/n`` writes of the same files.
"""

import argparse
import json
import pathlib

import fsspec
import pyarrow.parquet
import ray

from equalinfo import Tokenizer
from equalinfo.shards import write_shards


def documents(files, text):
    """The texts of JSON lines and Parquet files, wherever fsspec can open them."""
    for file in files:
        if file.endswith(".parquet"):
            with fsspec.open(file, "rb") as opened:
                for batch in pyarrow.parquet.ParquetFile(opened).iter_batches(128, columns=[text]):
                    yield from batch.column(0).to_pylist()
        else:
            with fsspec.open(file, "rt", encoding="utf-8", compression="infer") as lines:
                yield from (json.loads(line)[text] for line in lines if not line.isspace())


class WriteParts:
    """Writes one part after the other; an actor has it, and loads the tokenizer once."""

    def __init__(self, output, text, tokenizer, options):
        self.output, self.text, self.tokenizer, self.options = pathlib.Path(output), text, tokenizer, options

    def __call__(self, parts):
        written = {"part": [], "rows": [], "tokens": [], "text": []}
        for part, files in zip(parts["part"], parts["files"]):
            texts = documents(files, self.text)
            shards = write_shards(
                self.output / f"part-{part:05}", texts, self.tokenizer, names=list(files), threads=1, **self.options
            )
            if shards is not None:
                files = shards.manifest["shards"]
                counts = [sum(file[count] for file in files) for count in ("rows", "tokens", "text")]
                for name, count in zip(written, [part, *counts]):
                    written[name].append(count)
        return written


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", help="a pattern, local or with a protocol that fsspec knows, such as s3://")
    parser.add_argument("-o", "--output", required=True, help="a directory that all machines see under this name")
    parser.add_argument("--parts", type=int, default=64, help="at most one per file")
    parser.add_argument("--actors", type=int, default=1, help="parts that are written at a time, a core each")
    parser.add_argument("--text-field", default="text")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--layout", choices=["examples", "stream"], default="examples")
    parser.add_argument("--sequence", type=int, default=512)
    arguments = parser.parse_args(arguments)

    filesystem, pattern = fsspec.url_to_fs(arguments.files)
    files = [filesystem.unstrip_protocol(file) for file in sorted(filesystem.glob(pattern))]
    count = min(arguments.parts, len(files))
    if not files:
        parser.error(f"no file matches {arguments.files}")
    parts = [{"part": part, "files": files[part::count]} for part in range(count)]
    options = {"layout": arguments.layout, "sequence": arguments.sequence}
    tokenizer = Tokenizer.windows(arguments.model)
    written = ray.data.from_items(parts, override_num_blocks=count).map_batches(
        WriteParts,
        fn_constructor_args=(str(pathlib.Path(arguments.output).absolute()), arguments.text_field, tokenizer, options),
        batch_size=1,
        num_cpus=1,
        concurrency=arguments.actors,
    )
    written = written.take_all()
    rows, tokens, text = (sum(part[name] for part in written) for name in ("rows", "tokens", "text"))
    print(f"{len(written)} parts: {rows} rows, {tokens} tokens, {text} bytes of text")


if __name__ == "__main__":
    main()
