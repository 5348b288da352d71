import json
import pickle
import subprocess

import pytest

from equalinfo import Tokenizer
from equalinfo.shards import ShardError, TokenShards


@pytest.fixture
def directory(alice, tool, tmp_path):
    """The first tokens of each of four examples, two rows in a shard."""
    (tmp_path / "text.txt").write_bytes(alice[:40_000])
    options = ["--model", "nano", "--method", "equal-info", "--sequence", "256", "--rows-per-shard", "2"]
    subprocess.run([tool, "tokenize", "-q", *options, "-o", tmp_path / "shards", tmp_path / "text.txt"], check=True)
    return tmp_path / "shards"


def test_rows_are_those_of_the_tool(directory, alice, nano):
    shards = TokenShards(directory)
    assert (shards.vocabulary, shards.sequence, len(shards)) == (65536, 256, 4)
    assert len(shards.manifest["shards"]) == 2
    tokenizer = Tokenizer.windows(nano)
    for number, ids in enumerate(shards):
        example = alice[number * 10_240 : min((number + 1) * 10_240, 40_000)]
        assert (ids == tokenizer.encode(example)[:256]).all()
        _, given, text = shards.row(number)
        assert given == 0 and tokenizer.decode(ids) == example[:text]
        assert shards.end is None and (shards.documents(number)[0] == ids).all()
    assert all((a == b).all() for a, b in zip(shards, pickle.loads(pickle.dumps(shards))))
    rows = [shards.row(number) for number in range(4)]
    assert shards.token_ratio == pytest.approx(sum(row[2] for row in rows) / sum(len(row[0]) for row in rows))
    assert (shards[-1] == shards[3]).all()
    with pytest.raises(IndexError):
        shards[4]


@pytest.mark.parametrize("layout", ["examples", "stream"])
def test_documents_have_ends(layout, alice, tool, tmp_path, nano):
    texts = [alice[:40], alice[40:41], alice[41:900], alice[900:9000]]
    (tmp_path / "text.jsonl").write_text("".join(json.dumps({"text": text.decode()}) + "\n" for text in texts))
    options = ["--model", "nano", "--end-of-document", "--layout", layout, "--sequence", "256"]
    subprocess.run([tool, "tokenize", "-q", *options, "-o", tmp_path / "shards", tmp_path / "text.jsonl"], check=True)
    shards = TokenShards(tmp_path / "shards")
    assert (shards.end, shards.vocabulary, shards[0].dtype) == (65536, 65537, "uint32")
    assert shards.origin["meaning"]["end_of_document"] is True
    tokenizer = Tokenizer.windows(nano)
    first = shards.documents(0)
    assert [tokenizer.decode(ids) for ids in first[:3]] == texts[:3]
    text = b"".join(tokenizer.decode(ids) for number in range(len(shards)) for ids in shards.documents(number))
    assert text == (alice[:9000] if layout == "stream" else alice[: shards.row(0)[2]])
    if layout == "stream":
        assert shards[-1][-1] == shards.end and len(shards.documents(-1)) == 1


def test_what_is_not_complete(directory, tmp_path):
    with pytest.raises(ShardError, match="no manifest.json"):
        TokenShards(tmp_path)
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "complete": False}))
    with pytest.raises(ShardError, match="not complete"):
        TokenShards(directory)
    path.write_text(json.dumps({**manifest, "format": "equalinfo-tokens-1"}))
    with pytest.raises(ShardError, match="found equalinfo-tokens-1"):
        TokenShards(directory)
