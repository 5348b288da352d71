import os
import pickle
import subprocess
import sys
import threading
import time

import pytest

import equalinfo


@pytest.mark.parametrize("level", [1, 4, 6])
def test_every_level_comes_back(alice, level):
    text = alice[:20_000]
    stream = equalinfo.compress(text, level)
    assert len(stream) < len(text) // 2
    assert equalinfo.decompress(stream) == text


def test_texts_of_every_type():
    stream = equalinfo.compress("naïve")
    assert equalinfo.decompress(stream) == "naïve".encode()
    for text in (bytearray(b"times"), memoryview(b"times"), b"times"):
        assert equalinfo.decompress(equalinfo.compress(text)) == b"times"
    assert equalinfo.decompress(bytearray(stream)) == "naïve".encode()
    assert equalinfo.decompress(equalinfo.compress(b"")) == b""
    with pytest.raises(TypeError, match="found int"):
        equalinfo.compress(7)
    with pytest.raises(TypeError, match="found str"):
        equalinfo.decompress("text")
    with pytest.raises(UnicodeEncodeError):
        equalinfo.compress("\ud800")


def test_options(alice, nano):
    text = alice[:5000]
    streams = {
        equalinfo.compress(text, model="nano", level=5),
        equalinfo.compress(text, model=nano, level=5, threads=1),
        equalinfo.compress(text, 5),
    }
    assert len(streams) == 1, "a model's name, the model and its level give the same bytes"
    windows = equalinfo.compress(text, model=nano, window_bits=32, block_size=1000)
    assert equalinfo.decompress(windows, model=nano) == text
    assert equalinfo.decompress(windows + windows) == text + text
    lexicon = nano.lexicon(64)
    of_lexicon = equalinfo.compress(text, model=lexicon)
    assert equalinfo.decompress(of_lexicon, model=lexicon) == equalinfo.decompress(of_lexicon) == text
    for options in ({"level": 0}, {"level": 10}, {"window_bits": 12}, {"block_size": 0}, {"threads": 0}):
        with pytest.raises(ValueError):
            equalinfo.compress(text, **options)
    with pytest.raises(ValueError, match="16"):
        equalinfo.compress(text, model=lexicon, window_bits=32)


def test_the_tool_writes_the_same_bytes(alice, tool, tmp_path):
    path = tmp_path / "text"
    path.write_bytes(alice[:30_000])
    stream = equalinfo.compress(alice[:30_000])
    made = subprocess.run([tool, "compress", "-q", "-c", path], check=True, stdout=subprocess.PIPE).stdout
    assert made == stream
    back = subprocess.run([tool, "decompress", "-q", "-c", "-"], input=stream, check=True, stdout=subprocess.PIPE)
    assert back.stdout == alice[:30_000]


def test_damage_says_which_bytes_are_lost(alice):
    text = alice[:3000]
    stream = bytearray(equalinfo.compress(text, 1, block_size=1000))
    stream[len(stream) // 2] ^= 1
    with pytest.raises(equalinfo.DamageError) as caught:
        equalinfo.decompress(stream)
    error = caught.value
    assert isinstance(error, equalinfo.StreamError) and isinstance(error, equalinfo.Error)
    (loss,) = error.losses
    assert (loss.blocks, loss.text_offset, loss.length, loss.is_open) == ((1, 2), 1000, 1000, False)
    assert error.text == text[:1000] + text[2000:]
    assert "block 1 is lost" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.losses, again.text, str(again)) == (error.losses, error.text, str(error))


def test_what_is_no_stream_or_needs_another_model(nano):
    for data in (b"", b"no stream"):
        with pytest.raises(equalinfo.StreamError):
            equalinfo.decompress(data)
    with pytest.raises(equalinfo.ModelError, match="not the model"):
        equalinfo.decompress(equalinfo.compress(b"It was the best of times", 6), model=nano)
    with pytest.raises(equalinfo.ModelError, match="neither a shipped model"):
        equalinfo.compress(b"", model="giga")
    with pytest.raises(FileNotFoundError):
        equalinfo.Lexicon("no such file")


def test_pieces_make_the_same_stream(alice):
    text = alice[:50_000]
    compressor = equalinfo.Compressor(1, block_size=4000)
    pieces = [compressor.compress(text[first : first + 777]) for first in range(0, len(text), 777)]
    stream = b"".join(pieces) + compressor.flush()
    assert stream == equalinfo.compress(text, 1, block_size=4000)
    with pytest.raises(ValueError, match="flushed"):
        compressor.compress(b"more")
    assert equalinfo.decompress(equalinfo.Compressor().flush()) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux shows them")
def test_a_compressor_that_is_dropped_ends_its_thread():
    threads = lambda: len(os.listdir("/proc/self/task"))
    before = threads()
    compressor = equalinfo.Compressor(1)
    compressor.compress(b"text")
    assert threads() > before
    del compressor
    deadline = time.monotonic() + 20
    while threads() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_other_threads_run_while_a_text_is_coded(alice):
    """The lock of Python is released: this thread counts while another compresses."""
    done = threading.Event()
    worker = threading.Thread(target=lambda: (equalinfo.compress(alice[:60_000], 6, threads=1), done.set()))
    worker.start()
    counted = 0
    while not done.is_set():
        counted += 1
    worker.join()
    assert counted > 1000
