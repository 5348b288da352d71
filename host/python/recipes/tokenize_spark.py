"""Tables of documents to token shards on a Spark cluster.

    spark-submit tokenize_spark.py corpus/ -o tokens --format parquet --parts 1000

A document goes to the part that a hash of its text says, where documents lie in the order of that hash. Part i becomes
the directory tokens/part-0000i: the shards that ``equalinfo tokenize`` writes of the same documents. They depend on the
documents and the number of parts, and not on the cluster, nor on the files and the order that documents come in.
"""

import argparse
import pathlib

import pandas
from pyspark import TaskContext
from pyspark.sql import SparkSession, functions

from equalinfo import Tokenizer
from equalinfo.shards import write_shards


def in_parts(table, text, count):
    """The texts of a table with a column of that name, each partition a part."""
    hashed = table.select(functions.xxhash64(text).alias("hash"), functions.col(text).alias("document"))
    return hashed.repartition(count, "hash").sortWithinPartitions("hash", "document").select("document")


def writer(output, tokenizer, options):
    """What writes the partition that it is called for."""

    def write(batches):
        part = TaskContext.get().partitionId()
        documents = (document for batch in batches for document in batch["document"])
        shards = write_shards(
            pathlib.Path(output) / f"part-{part:05}", documents, tokenizer, names=[f"part {part}"], threads=1, **options
        )
        if shards is not None:
            files = shards.manifest["shards"]
            counts = {count: [sum(file[count] for file in files)] for count in ("rows", "tokens", "text")}
            yield pandas.DataFrame({"part": [part], **counts})

    return write


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", help="whatever Spark loads: a path, a pattern")
    parser.add_argument("-o", "--output", required=True, help="a directory that all machines see under this name")
    parser.add_argument("--format", default="parquet", help="of the table: parquet, json, delta, ...")
    parser.add_argument("--parts", type=int, default=64)
    parser.add_argument("--text-field", default="text")
    parser.add_argument("--model", default="micro")
    parser.add_argument("--layout", choices=["examples", "stream"], default="examples")
    parser.add_argument("--sequence", type=int, default=512)
    arguments = parser.parse_args(arguments)

    spark = SparkSession.builder.appName("equalinfo tokenize").getOrCreate()
    documents = in_parts(
        spark.read.format(arguments.format).load(arguments.table), arguments.text_field, arguments.parts
    )
    options = {"layout": arguments.layout, "sequence": arguments.sequence}
    write = writer(str(pathlib.Path(arguments.output).absolute()), Tokenizer.windows(arguments.model), options)
    written = documents.mapInPandas(write, "part int, rows long, tokens long, text long")
    count, rows, tokens, text = written.selectExpr("count(part)", "sum(rows)", "sum(tokens)", "sum(text)").first()
    print(f"{count} parts: {rows} rows, {tokens} tokens, {text} bytes of text")


if __name__ == "__main__":
    main()
