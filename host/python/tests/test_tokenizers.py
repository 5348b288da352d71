import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

import equalinfo
from equalinfo import Tokenizer


@pytest.fixture(scope="module")
def windows(nano):
    return Tokenizer.windows(nano)


@pytest.fixture(scope="module")
def bpe():
    """A byte-level vocabulary with a special token, as Hugging Face tokenizers write it."""
    alphabet = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in alphabet}
    for byte in range(256):
        characters.setdefault(byte, chr(256 + sum(other not in alphabet for other in range(byte))))
    vocabulary = {characters[byte]: byte for byte in range(256)}
    vocabulary |= {"th": 256, "the": 257, "<s>": 258}
    special = dict(id=258, content="<s>", single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    byte_level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=False, use_regex=True)
    model = dict(type="BPE", vocab=vocabulary, merges=["t h", "th e"], dropout=None, unk_token=None)
    model |= dict(continuing_subword_prefix=None, end_of_word_suffix=None, fuse_unk=False, byte_fallback=False)
    parts = dict(version="1.0", truncation=None, padding=None, added_tokens=[special], normalizer=None)
    parts |= dict(pre_tokenizer=byte_level, post_processor=None, decoder=byte_level, model=model)
    return json.dumps(parts)


def every_tokenizer(nano, bpe):
    return [
        Tokenizer.windows(nano),
        Tokenizer.windows(nano, 16, code="flexible"),
        Tokenizer.windows(nano, 32, context=64),
        Tokenizer.windows(nano, 24, token_bits=8),
        Tokenizer.lexicon(nano.lexicon(32)),
        Tokenizer.from_json(bpe),
        Tokenizer.bytes(),
    ]


def test_every_tokenizer_comes_back(nano, bpe, alice):
    text = alice[:3000]
    for tokenizer in every_tokenizer(nano, bpe):
        ids = tokenizer.encode(text)
        assert ids.dtype == (np.uint8 if tokenizer.vocabulary <= 256 else np.uint16), tokenizer
        assert ids.flags.writeable and ids.max() < tokenizer.vocabulary
        assert tokenizer.decode(ids) == text, tokenizer
        again = pickle.loads(pickle.dumps(tokenizer))
        assert (again.name, again.vocab_size) == (tokenizer.name, tokenizer.vocab_size)
        assert (again.encode(text) == ids).all()
        assert len(tokenizer.encode(b"")) == 0 and tokenizer.decode([]) == b""


def test_any_bytes_are_text(windows):
    for text in (bytes(range(256)), "naïve 漢字".encode("utf-16"), b"\xff" * 500, "naïve".encode("latin-1")):
        assert windows.decode(windows.encode(text)) == text
    assert (windows.encode("漢字") == windows.encode("漢字".encode())).all()


def test_ids_of_every_type(windows):
    text = b"It was the best of times"
    ids = windows.encode(text)
    for same in (ids.tolist(), tuple(ids.tolist()), *(ids.astype(kind) for kind in ("i8", "u4", ">u2", "u8"))):
        assert windows.decode(same) == text
    assert windows.decode(np.repeat(ids, 2)[::2]) == text
    assert windows.decode(int(ids[0])) == windows.decode(ids[:1])
    with pytest.raises(TypeError):
        windows.decode([1.5])
    with pytest.raises(TypeError):
        windows.decode([[1], [2]])
    for wrong in (-1, windows.vocab_size, 1 << 40):
        with pytest.raises(equalinfo.TokenError, match="expected 0 to"):
            windows.decode([wrong])


def test_special_ids_are_apart_from_text(windows, bpe):
    assert (windows.bos_id, windows.eos_id, windows.pad_id) == (65536, 65537, 65538)
    assert (windows.vocabulary, windows.vocab_size) == (65536, 65539)
    ids = windows.encode("times", bos=True, eos=True)
    assert ids.dtype == np.uint32 and (ids[0], ids[-1]) == (65536, 65537)
    padded = np.append(ids, [windows.pad_id] * 3)
    assert windows.decode(padded) == b"times"
    with pytest.raises(equalinfo.TokenError, match="special"):
        windows.decode(padded, skip_special=False)
    of_bytes = Tokenizer.bytes().encode("<s>", bos=True)
    assert of_bytes.tolist() == [256, *b"<s>"] and of_bytes.dtype == np.uint16
    # A text that spells the special token of a vocabulary is text.
    subwords = Tokenizer.from_json(bpe)
    ids = subwords.encode("<s>the</s>")
    assert 258 not in ids and subwords.decode(ids) == b"<s>the</s>" and 257 in ids


def test_offsets_are_bytes_of_the_text(nano, bpe, alice):
    text = "naïve — ".encode() + alice[:2000]
    for tokenizer in every_tokenizer(nano, bpe):
        ids, offsets = tokenizer.encode_with_offsets(text)
        assert (ids == tokenizer.encode(text)).all() and offsets.shape == (len(ids), 2)
        assert offsets[0, 0] == 0 and offsets[-1, 1] == len(text)
        assert (offsets[1:, 0] <= offsets[:-1, 1]).all()
    windows = Tokenizer.windows(nano)
    ids, offsets = windows.encode_with_offsets(text)
    for token, (start, end) in zip(ids, offsets):
        assert windows.decode([token]) == text[start:end]


def test_batches_are_the_same_on_any_threads(nano, bpe, messages):
    for tokenizer in every_tokenizer(nano, bpe):
        alone = [tokenizer.encode(message) for message in messages]
        for threads in (1, 2, None):
            together = tokenizer.encode_batch(messages, threads=threads)
            assert len(together) == len(messages)
            assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(alone, together))
            assert tokenizer.decode_batch(together, threads=threads) == messages
    windows = Tokenizer.windows(nano)
    special = windows.encode_batch(["a", ""], bos=True, eos=True)
    assert special[1].tolist() == [windows.bos_id, windows.eos_id]
    assert windows.decode_batch(special) == [b"a", b""] and windows.encode_batch([]) == []


@pytest.mark.parametrize("token_bits", [16, 8])
def test_a_lexicon_makes_the_same_tokens(nano, alice, token_bits):
    plain, compiled = (Tokenizer.windows(nano, token_bits=token_bits) for _ in range(2))
    assert compiled.compile() and compiled.is_compiled and not plain.is_compiled
    text = alice[:10_000]
    assert (plain.encode(text) == compiled.encode(text)).all()
    ids, offsets = plain.encode_with_offsets(text[:1000])
    assert (compiled.encode_with_offsets(text[:1000])[1] == offsets).all()
    some = np.random.default_rng(1).integers(0, plain.vocabulary, (3000, 16 // token_bits))
    assert plain.decode_batch(some) == compiled.decode_batch(some)
    assert not Tokenizer.windows(nano, 32).compile()
    # It comes by itself where there is much text.
    plain.encode_batch([alice, alice])
    assert plain.is_compiled


def test_a_decoder_splits_neither_windows_nor_characters(nano, bpe):
    text = "naïve — 漢字 🙂 the end"
    for tokenizer in every_tokenizer(nano, bpe):
        ids = tokenizer.encode(text)
        decoder, characters = tokenizer.decoder(), tokenizer.decoder("utf-8")
        pieces = [decoder.push(token) for token in ids] + [decoder.finish()]
        assert b"".join(pieces) == text.encode(), tokenizer
        shown = [characters.push([token]) for token in ids] + [characters.finish()]
        assert "".join(shown) == text and "\ufffd" not in "".join(shown)
        with pytest.raises(ValueError, match="finished"):
            decoder.push(ids)
    wide = Tokenizer.windows(nano, 32)
    decoder = wide.decoder()
    first, second = wide.encode(text)[:2]
    assert decoder.push(first) == b"" and decoder.push(wide.pad_id) == b"" and decoder.push(second)
    decoder.push(first)
    with pytest.raises(equalinfo.TokenError, match="whole window"):
        decoder.finish()
    broken = Tokenizer.bytes().decoder("utf-8", "replace")
    assert broken.push([0xE6, 0xBC]) == "" and broken.finish() == "\ufffd"
    with pytest.raises(LookupError):
        wide.decoder("klingon")


def test_what_cannot_be(nano, tmp_path):
    for arguments in ({"bits": 12}, {"code": "paper?"}, {"token_bits": 7}, {"context": 0}, {"context": 1000}):
        with pytest.raises(ValueError):
            Tokenizer.windows(nano, **arguments)
    with pytest.raises(FileNotFoundError):
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(equalinfo.ModelError, match="tokenizer.json"):
        Tokenizer.from_file(tmp_path / "tokenizer.json")
    with pytest.raises(TypeError, match="Lexicon"):
        Tokenizer.windows(nano.lexicon(16))


def test_the_tool_makes_the_same_tokens(alice, nano, tool, tmp_path):
    text = alice[:8000]
    (tmp_path / "text.txt").write_bytes(text)
    options = ["--model", "nano", "--method", "equal-info", "--layout", "stream", "--sequence", "64"]
    made = [tool, "tokenize", "-q", *options, "-o", tmp_path / "shards", tmp_path / "text.txt"]
    subprocess.run(made, check=True)
    tokens = np.load(tmp_path / "shards" / "tokens-00000.npy").ravel()
    ids = Tokenizer.windows(nano).encode(text)
    assert (tokens[: len(ids)] == ids).all() and not tokens[len(ids) :].any()


def test_another_process_takes_a_tokenizer(windows, tmp_path):
    path = tmp_path / "tokenizer"
    path.write_bytes(pickle.dumps(windows))
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).encode('the best of times').tolist())"
    printed = subprocess.run([sys.executable, "-c", program, path], check=True, stdout=subprocess.PIPE).stdout
    assert json.loads(printed) == windows.encode("the best of times").tolist()
