"""Recipes for clusters, each run as its users run it, on this machine: their shards are those of the tool."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from equalinfo.shards import TokenShards

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "recipes"
OPTIONS = ["--model", "nano", "--sequence", "64"]
PARTS = 3


@pytest.fixture(scope="module")
def documents(alice):
    """Texts of all lengths, among them one without text and more than are joined."""
    cuts = np.cumsum(np.random.default_rng(1).integers(1, 200, 500))
    texts = [alice[begin:end].decode("latin-1") for begin, end in zip(cuts, cuts[1:])]
    return ["", "caf\xe9 \U0001f600", *texts]


@pytest.fixture(scope="module")
def corpus(documents, tmp_path_factory):
    """Five files of JSON lines."""
    directory = tmp_path_factory.mktemp("corpus")
    for number in range(5):
        write_lines(directory / f"{number}.jsonl", documents[number::5])
    return directory


def write_lines(path, texts):
    path.write_text("".join(json.dumps({"id": 7, "text": text}) + "\n" for text in texts), "utf-8")


def run(recipe, *arguments):
    command = [sys.executable, RECIPES / recipe, *map(str, arguments), *OPTIONS]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYSPARK_PYTHON": sys.executable}
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def check(tool, written, folder, sources):
    """Compares each part with what the tool makes of its source: its rows, and the digests of its files."""
    assert sorted(path.name for path in written.glob("part-*")) == [f"part-{part:05}" for part in range(len(sources))]
    rows = 0
    for part, source in enumerate(sources):
        expected = folder / f"expected-{part}"
        command = [tool, "tokenize", "-q", "-T", "1", *OPTIONS, "-o", expected, *source]
        subprocess.run(list(map(str, command)), check=True)
        found, expected = TokenShards(written / f"part-{part:05}"), TokenShards(expected)
        assert len(found) == len(expected) > 0
        for number in range(len(found)):
            (ids, *rest), (expected_ids, *expected_rest) = found.row(number), expected.row(number)
            assert (ids == expected_ids).all() and rest == expected_rest
        assert found.origin == expected.origin
        rows += len(found)
    return rows


def test_ray(tool, corpus, tmp_path):
    said = run("tokenize_ray.py", corpus / "*.jsonl", "-o", tmp_path / "tokens", "--parts", PARTS)
    sources = [["--shard", f"{part}/{PARTS}", corpus] for part in range(PARTS)]
    rows = check(tool, tmp_path / "tokens", tmp_path, sources)
    assert f"{PARTS} parts: {rows} rows" in said


def test_spark(tool, corpus, documents, tmp_path):
    arguments = [corpus, "--format", "json", "--parts", PARTS]
    said = run("tokenize_spark.py", *arguments, "-o", tmp_path / "tokens")
    # The same documents in another order and other files are the same parts.
    write_lines(tmp_path / "all.jsonl", reversed(documents))
    run("tokenize_spark.py", tmp_path / "all.jsonl", *arguments[1:], "-o", tmp_path / "again")
    specification = importlib.util.spec_from_file_location("tokenize_spark", RECIPES / "tokenize_spark.py")
    recipe = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(recipe)
    session = recipe.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    parts = recipe.in_parts(session.read.json(str(corpus)), "text", PARTS)
    parts = parts.withColumn("part", recipe.functions.spark_partition_id()).collect()
    session.stop()
    assert sorted(row.document for row in parts) == sorted(documents)
    sources = []
    for part in range(PARTS):
        write_lines(tmp_path / f"{part}.jsonl", [row.document for row in parts if row.part == part])
        sources.append([tmp_path / f"{part}.jsonl"])
    rows = check(tool, tmp_path / "tokens", tmp_path, sources)
    assert f"{PARTS} parts: {rows} rows" in said
    for part in range(PARTS):
        first, again = (TokenShards(tmp_path / name / f"part-{part:05}") for name in ("tokens", "again"))
        assert first.origin == again.origin


def test_datatrove(tool, corpus, tmp_path):
    arguments = [corpus, "--tasks", PARTS, "--logs", tmp_path / "logs", "-o", tmp_path / "tokens"]
    run("tokenize_datatrove.py", *arguments)
    check(tool, tmp_path / "tokens", tmp_path, [["--shard", f"{part}/{PARTS}", corpus] for part in range(PARTS)])
