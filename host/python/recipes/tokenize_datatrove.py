"""The last step of a datatrove pipeline: documents to token shards.

    python tokenize_datatrove.py corpus/ -o tokens --tasks 1000 --workers 64

The documents of task i become the directory tokens/part-0000i: the shards that ``equalinfo tokenize`` writes of them.
Where no step before it drops or changes any, and there are as many files as tasks, they are those that
``equalinfo tokenize --shard i/n`` writes of the reader's files.
"""

import argparse
import pathlib

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.readers import JsonlReader, ParquetReader

from equalinfo import Tokenizer
from equalinfo.shards import write_shards


class TokenShardWriter(PipelineStep):
    """Writes the documents of each task.

    :param output: a directory that all machines see under this name.
    :param options: those of :func:`equalinfo.shards.write_shards`.
    """

    name = "Token shards"
    type = "EQUALINFO"

    def __init__(self, output, tokenizer, **options):
        super().__init__()
        self.output, self.tokenizer, self.options = pathlib.Path(output), tokenizer, options

    def run(self, data, rank=0, world_size=1):
        texts = (document.text for document in data)
        directory = self.output / f"part-{rank:05}"
        shards = write_shards(
            directory, texts, self.tokenizer, names=[f"task {rank} of {world_size}"], threads=1, **self.options
        )
        for file in shards.manifest["shards"] if shards is not None else ():
            for count in ("rows", "tokens", "text"):
                self.stat_update(count, value=file[count])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="a directory of JSON lines, or of Parquet files")
    parser.add_argument("-o", "--output", required=True, help="a directory that all machines see under this name")
    parser.add_argument("--glob", default="**/*.jsonl*", help="its files; names that end in .parquet are Parquet")
    parser.add_argument("--tasks", type=int, default=64, help="parts; at most one per file")
    parser.add_argument("--workers", type=int, default=1, help="tasks at a time, a core each")
    parser.add_argument("--logs", help="where datatrove keeps what is done (default: OUTPUT/logs)")
    parser.add_argument("--text-field", default="text")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--layout", choices=["examples", "stream"], default="examples")
    parser.add_argument("--sequence", type=int, default=512)
    arguments = parser.parse_args(arguments)

    reader = ParquetReader if arguments.glob.endswith(".parquet") else JsonlReader
    pipeline = [
        reader(arguments.corpus, glob_pattern=arguments.glob, text_key=arguments.text_field),
        # Filters go here.
        TokenShardWriter(
            pathlib.Path(arguments.output).absolute(),
            Tokenizer.windows(arguments.model),
            layout=arguments.layout,
            sequence=arguments.sequence,
        ),
    ]
    # On a cluster: SlurmPipelineExecutor or RayPipelineExecutor, with the same pipeline.
    LocalPipelineExecutor(
        pipeline,
        tasks=arguments.tasks,
        workers=arguments.workers,
        logging_dir=arguments.logs or str(pathlib.Path(arguments.output) / "logs"),
    ).run()


if __name__ == "__main__":
    main()
