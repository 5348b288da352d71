import io
import os
import random
import threading

import pytest

import equalinfo
from equalinfo import EqualInfoFile

LINES = [f"line {number}: it was the best of times, naïve\n" for number in range(500)]
TEXT = "".join(LINES).encode()
FAST = {"level": 1, "block_size": 1000}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "text.eqi"
    path.write_bytes(equalinfo.compress(TEXT, **FAST))
    return path


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "text.eqi"
    with equalinfo.open(path, "wb", **FAST) as file:
        assert file.writable() and not file.readable()
        for line in LINES:
            assert file.write(line.encode()) == len(line.encode())
        assert file.tell() == len(TEXT)
        file.flush()
    assert file.closed and path.read_bytes() == equalinfo.compress(TEXT, **FAST)
    with equalinfo.open(path) as file:
        assert file.readable() and file.seekable() and file.read() == TEXT
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_seeking_forward_writes_zeros():
    target = io.BytesIO()
    with EqualInfoFile(target, "w", 1) as file:
        file.write(b"ab")
        assert file.seek(100_000) == file.tell() == 100_000 and file.seek(1, io.SEEK_CUR) == 100_001
        file.write(b"c")
        with pytest.raises(OSError, match="negative"):
            file.seek(1)
    assert equalinfo.decompress(target.getvalue()) == b"ab" + bytes(99_999) + b"c"


def test_text_mode(tmp_path):
    path = tmp_path / "text.eqi"
    with equalinfo.open(path, "wt", encoding="utf-16", newline="\n", **FAST) as file:
        file.writelines(LINES)
    with equalinfo.open(path, "rt", encoding="utf-16") as file:
        assert list(file) == LINES
    assert equalinfo.decompress(path.read_bytes()).decode("utf-16") == "".join(LINES)


def test_reads_of_every_kind(path):
    with equalinfo.open(path) as file:
        assert file.readline() == LINES[0].encode()
        assert file.peek(5)[:5] == TEXT[file.tell() :][:5]
        buffer = bytearray(3000)
        place = file.tell()
        count = file.readinto(buffer)
        assert buffer[:count] == TEXT[place : place + count] and count > 0
        assert file.read1() and file.read(0) == b""
        file.seek(0)
        assert list(file) == [line.encode() for line in LINES]
        assert file.read(10) == b"" and file.seek(0, io.SEEK_END) == len(TEXT)
    with io.TextIOWrapper(EqualInfoFile(path), "utf-8") as file:
        assert file.read() == "".join(LINES)


@pytest.mark.parametrize("threads", [1, 3])
def test_random_reads(path, threads):
    choose = random.Random(5)
    with equalinfo.open(path, threads=threads) as file:
        for _ in range(100):
            start, length = choose.randrange(len(TEXT) + 10), choose.choice([1, 50, 2500])
            file.seek(start)
            assert file.read(length) == TEXT[start : start + length]
        file.seek(-7, io.SEEK_END)
        assert file.read() == TEXT[-7:]
        with pytest.raises(ValueError):
            file.seek(-1)


def test_a_read_decodes_the_blocks_that_it_needs(path):
    """What is far away is not looked at: there it may be damaged."""
    stream = bytearray(path.read_bytes())
    stream[len(stream) // 2] ^= 1
    with pytest.raises(equalinfo.DamageError) as caught:
        equalinfo.decompress(stream)
    (loss,) = caught.value.losses
    with equalinfo.open(io.BytesIO(stream)) as file:
        assert file.read(100) == TEXT[:100]
        file.seek(-100, io.SEEK_END)
        assert file.read() == TEXT[-100:]
        file.seek(loss.text_offset)
        with pytest.raises(equalinfo.DamageError) as caught:
            file.read(10)
        assert caught.value.losses[0][:3] == loss[:3]
        file.seek(loss.text_offset + loss.length)
        assert file.read() == TEXT[loss.text_offset + loss.length :]


def test_appending_writes_a_stream_behind(path):
    with equalinfo.open(path, "ab", **FAST) as file:
        file.write(b"and more")
    with equalinfo.open(path) as file:
        file.seek(len(TEXT) - 3)
        assert file.read() == TEXT[-3:] + b"and more"


def test_file_objects_stay_open():
    target = io.BytesIO()
    with EqualInfoFile(target, "wb", **FAST) as file:
        file.write(memoryview(TEXT))
    assert not target.closed
    target.seek(0)
    with EqualInfoFile(target) as file:
        assert file.read() == TEXT
    assert not target.closed


def test_a_pipe_is_read_into_memory():
    read, write = os.pipe()
    stream = equalinfo.compress(TEXT, **FAST)
    with os.fdopen(write, "wb") as target:
        writer = threading.Thread(target=lambda: (target.write(stream), target.close()))
        writer.start()
        with os.fdopen(read, "rb") as source, EqualInfoFile(source) as file:
            assert file.seek(10) == 10 and file.read(5) == TEXT[10:15]
        writer.join()


def test_modes_and_arguments(path, tmp_path):
    for mode in ("", "rw", "rbt", "q"):
        with pytest.raises(ValueError):
            equalinfo.open(path, mode)
    with pytest.raises(ValueError, match="text mode"):
        equalinfo.open(path, "rb", encoding="utf-8")
    with pytest.raises(FileExistsError):
        equalinfo.open(path, "xb")
    with pytest.raises(FileNotFoundError):
        equalinfo.open(tmp_path / "none")
    with pytest.raises(TypeError):
        equalinfo.open(7)
    with pytest.raises(ValueError):
        equalinfo.open(path, "wb", level=10)
    assert path.read_bytes() == equalinfo.compress(TEXT, **FAST), "a wrong option empties no file"
    with equalinfo.open(path) as file:
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"text")
    with equalinfo.open(tmp_path / "new", "wb", level=1) as file:
        for refused in (file.read, file.readline, file.peek):
            with pytest.raises(io.UnsupportedOperation):
                refused()
        with pytest.raises(TypeError):
            file.write("text")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(equalinfo.StreamError):
        equalinfo.open(path)


class Broken(io.BytesIO):
    def read(self, size=-1):
        raise OSError("the disk is gone")


def test_errors_of_a_file_object_come_through():
    with pytest.raises(OSError, match="the disk is gone"):
        equalinfo.open(Broken(equalinfo.compress(TEXT)))
