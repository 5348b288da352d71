import json
import pickle
import subprocess

import pytest

from equalinfo import Tokenizer
from equalinfo.shards import ShardError, TokenShards, write_shards


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
        TokenShards(tmp_path / "nowhere")
    path = directory / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "complete": False}))
    with pytest.raises(ShardError, match="not complete"):
        TokenShards(directory)
    path.write_text(json.dumps({**manifest, "format": "equalinfo-tokens-1"}))
    with pytest.raises(ShardError, match="found equalinfo-tokens-1"):
        TokenShards(directory)


def test_directories_of_a_directory_are_read_together(alice, tmp_path):
    tokenizer, options = Tokenizer.bytes(), {"sequence": 64, "rows_per_shard": 2}
    texts = [alice[:30_000], alice[30_000:70_000]]
    parts = [
        write_shards(tmp_path / "all" / name, [text], tokenizer, **options) for name, text in zip("ab", texts)
    ]
    (tmp_path / "all" / "logs").mkdir()
    shards = TokenShards(tmp_path / "all")
    assert len(shards) == 7 and [len(part) for part in parts] == [3, 4]
    for number, (found, expected) in enumerate(zip(shards, [*parts[0], *parts[1]])):
        assert (found == expected).all(), number
    assert shards.token_ratio == 1 and (pickle.loads(pickle.dumps(shards))[6] == parts[1][3]).all()
    write_shards(tmp_path / "all" / "c", ["text"], tokenizer, sequence=32)
    with pytest.raises(ShardError, match="c: holds other tokens than .*a: sequence 32, expected 64"):
        TokenShards(tmp_path / "all")


def test_documents_become_the_shards_of_the_tool(alice, tool, nano, tmp_path):
    texts = [alice[begin : begin + 100].decode() for begin in range(0, 30_000, 100)] + ["caf\xe9"]
    lines = "".join(json.dumps({"text": text}) + "\n" for text in ["", *texts])
    (tmp_path / "text.jsonl").write_text(lines, "utf-8")
    for number, (tokenizer, method) in enumerate([
        (Tokenizer.windows(nano), ["--model", "nano"]),
        (Tokenizer.windows(nano, 24, token_bits=8, code="flexible"),
         ["--model", "nano", "--window-bits", "24", "--token-bits", "8", "--code", "flexible"]),
        (Tokenizer.bytes(), ["--method", "bytes"]),
    ]):
        for layout in ("examples", "stream"):
            options = ["--layout", layout, "--sequence", "50", "--rows-per-shard", "3"]
            expected, directory = tmp_path / f"tool-{number}-{layout}", tmp_path / f"{number}-{layout}"
            call = [tool, "tokenize", "-q", *method, *options, "-o", expected, tmp_path / "text.jsonl"]
            subprocess.run(call, check=True)
            # Empty documents are none of the 128 that are joined.
            documents = ["", *texts[:100], b"", *(text.encode() for text in texts[100:])]
            found = write_shards(
                directory, documents, tokenizer, layout=layout, sequence=50, rows_per_shard=3, threads=2
            )
            assert found.origin == TokenShards(expected).origin
            files = {path.name: path.read_bytes() for path in expected.glob("*.npy")}
            assert len(files) > 2 and files == {path.name: path.read_bytes() for path in directory.glob("*.npy")}


def test_what_was_interrupted_continues(alice, nano, tmp_path):
    texts = [alice[begin : begin + 100] for begin in range(0, 102_400, 100)]
    options = {"layout": "stream", "sequence": 64, "rows_per_shard": 8, "threads": 1}
    tokenizer = Tokenizer.bytes()

    def broken():
        yield from texts[:600]
        raise KeyError("gone")

    with pytest.raises(KeyError, match="gone"):
        write_shards(tmp_path / "parts", broken(), tokenizer, **options)
    with pytest.raises(ShardError, match="not complete"):
        TokenShards(tmp_path / "parts")
    assert list((tmp_path / "parts").glob("tokens-*.npy"))
    with pytest.raises(ShardError, match="other text"):
        write_shards(tmp_path / "parts", texts[1:], tokenizer, **options)
    continued = write_shards(tmp_path / "parts", texts, tokenizer, **options)
    assert continued.origin == write_shards(tmp_path / "whole", texts, tokenizer, **options).origin
    # What is complete is read again, and stays.
    assert write_shards(tmp_path / "whole", iter(texts), tokenizer, **options).origin == continued.origin
    for other, words in ((texts[:-1], "other text"), (texts[:896], "shorter"), ([*texts, b"more"], "longer")):
        with pytest.raises(ShardError, match=words):
            write_shards(tmp_path / "whole", other, tokenizer, **options)
    with pytest.raises(ShardError, match="name Bytes, expected EqualInfo"):
        write_shards(tmp_path / "whole", texts, Tokenizer.windows(nano), **options)


def test_documents_without_text_make_no_shards(tmp_path):
    assert write_shards(tmp_path / "none", ["", b""], Tokenizer.bytes()) is None
    with pytest.raises(TypeError, match="found NoneType"):
        write_shards(tmp_path / "bad", ["text", None], Tokenizer.bytes())
    for options in ({"layout": "rows"}, {"sequence": 0}, {"sequence": 1 << 17}, {"rows_per_shard": 0}):
        with pytest.raises(ValueError, match="expected"):
            write_shards(tmp_path / "bad", ["text"], Tokenizer.bytes(), **options)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        write_shards(tmp_path / "file", ["text"], Tokenizer.bytes())
