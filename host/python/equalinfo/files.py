"""File objects over ``.eqi`` streams, with the manners of :mod:`gzip` and :mod:`lzma`."""

from __future__ import annotations

import builtins
import io
import os
from bisect import bisect_right
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Optional, Union

from ._native import Compressor, Lexicon, Model, StreamReader

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open", "EqualInfoFile"]


def open(
    filename: Any,
    mode: str = "rb",
    level: int = 6,
    *,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
    model: Union[Model, Lexicon, str, os.PathLike[str], None] = None,
    window_bits: Optional[int] = None,
    block_size: Optional[int] = None,
    threads: Optional[int] = None,
) -> Union[EqualInfoFile, io.TextIOWrapper]:
    """Opens a stream as a file.

    :param filename: a path, or a binary file object, which stays open when this one is closed.
    :param mode: ``r``, ``w``, ``x`` or ``a``, with ``b`` (the default) for an :class:`EqualInfoFile` or ``t`` for text.
    :param encoding: of text mode, as in :func:`open`; so are ``errors`` and ``newline``.

    The other arguments are those of :class:`EqualInfoFile`.
    """
    if "t" in mode:
        if "b" in mode:
            raise ValueError(f"invalid mode: {mode!r}")
    elif not (encoding is None and errors is None and newline is None):
        raise ValueError("encoding, errors and newline are for text mode alone")
    options: Any = {"model": model, "window_bits": window_bits, "block_size": block_size, "threads": threads}
    file = EqualInfoFile(filename, mode.replace("t", ""), level, **options)
    if "t" not in mode:
        return file
    return io.TextIOWrapper(file, encoding, errors, newline)


class EqualInfoFile(io.BufferedIOBase):
    """A binary file that compresses what is written to it, or decompresses what is read.

    Reading takes the blocks that it needs by the stream's index, so ``seek`` is cheap, and decodes the following blocks
    ahead on other threads. A source that cannot seek is read into memory first. A damaged block raises a
    :class:`~equalinfo.DamageError` that says which bytes are lost; ``seek`` behind them and read on.

    Mode ``a`` writes a stream of its own behind those that are there: all of them are one text. What is written is
    complete when the file is closed.

    :param filename: a path, or a binary file object, which stays open when this one is closed.
    :param mode: ``r``, ``w``, ``x`` or ``a``, with or without ``b``.
    :param level: 1 (fastest) to 9 (smallest).
    :param model: a :class:`~equalinfo.Model`, its name or path, or a :class:`~equalinfo.Lexicon`: when writing, in the
        place of the level's; when reading, instead of finding it by the id in the stream.
    :param window_bits: write windows of this width that decode alone.
    :param block_size: bytes of text in a block: what is decoded at once, and what damage costs.
    :param threads: by default one per core.
    """

    def __init__(
        self,
        filename: Any,
        mode: str = "r",
        level: int = 6,
        *,
        model: Union[Model, Lexicon, str, os.PathLike[str], None] = None,
        window_bits: Optional[int] = None,
        block_size: Optional[int] = None,
        threads: Optional[int] = None,
    ) -> None:
        kind = mode.replace("b", "", 1)
        if kind not in ("r", "w", "x", "a"):
            raise ValueError(f"invalid mode: {mode!r}")
        self._file: Any = None
        self._buffer: Any = None
        self._compressor: Any = None
        self._owned = isinstance(filename, (str, bytes, os.PathLike))
        self._writes = kind != "r"
        self._written = 0
        if self._writes:
            # Before a file is made or emptied, so that wrong options leave it as it was.
            compressor = Compressor(
                level, model=model, window_bits=window_bits, block_size=block_size, threads=threads
            )
        if self._owned:
            filename = os.fspath(filename)
            self._file = builtins.open(filename, kind + "b")
        elif hasattr(filename, "write" if self._writes else "read"):
            self._file = filename
        else:
            raise TypeError("filename must be a path or a file object")
        self.name = getattr(self._file, "name", "")
        self.mode = kind + "b"
        if self._writes:
            self._compressor = compressor
            return
        try:
            source = filename if self._owned else self._file
            if not (hasattr(self._file, "seekable") and self._file.seekable()):
                source = io.BytesIO(self._file.read())
            self._buffer = io.BufferedReader(_Text(source, model, threads or os.cpu_count() or 1))
        except BaseException:
            if self._owned:
                self._file.close()
            raise

    def close(self) -> None:
        """Writes the end of the stream and closes the file if this object opened it. More calls do nothing."""
        file, self._file = self._file, None
        compressor, self._compressor = self._compressor, None
        buffer, self._buffer = self._buffer, None
        try:
            if compressor is not None:
                file.write(compressor.flush())
            if buffer is not None:
                buffer.close()
        finally:
            if file is not None and self._owned:
                file.close()

    @property
    def closed(self) -> bool:
        return self._file is None

    def _check(self, is_right: bool = True, what: str = "") -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if not is_right:
            raise io.UnsupportedOperation(what)

    def readable(self) -> bool:
        self._check()
        return not self._writes

    def writable(self) -> bool:
        self._check()
        return self._writes

    def seekable(self) -> bool:
        """Whether ``seek`` may be called: when writing, only forward, over zeros, as in :mod:`gzip`."""
        self._check()
        return True

    def fileno(self) -> int:
        self._check()
        return self._file.fileno()

    def read(self, size: Optional[int] = -1) -> bytes:
        self._check(not self._writes, "file not open for reading")
        return self._buffer.read(size)

    def read1(self, size: int = -1) -> bytes:
        self._check(not self._writes, "file not open for reading")
        return self._buffer.read1(io.DEFAULT_BUFFER_SIZE if size < 0 else size)

    def readinto(self, buffer: Buffer) -> int:
        self._check(not self._writes, "file not open for reading")
        return self._buffer.readinto(buffer)

    def readline(self, size: Optional[int] = -1) -> bytes:
        self._check(not self._writes, "file not open for reading")
        return self._buffer.readline(-1 if size is None else size)

    def peek(self, size: int = 0) -> bytes:
        """Bytes that come next, at least one unless the text has ended."""
        self._check(not self._writes, "file not open for reading")
        return self._buffer.peek(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._check()
        if not self._writes:
            return self._buffer.seek(offset, whence)
        if whence == io.SEEK_END:
            raise ValueError("a file that is written cannot be sought from its end")
        zeros = offset - (self._written if whence == io.SEEK_SET else 0)
        if zeros < 0:
            raise OSError("negative seek in write mode")
        while zeros > 0:
            zeros -= self.write(bytes(min(zeros, 1 << 16)))
        return self._written

    def tell(self) -> int:
        """The position in the text."""
        self._check()
        return self._written if self._writes else self._buffer.tell()

    def write(self, data: Buffer) -> int:
        self._check(self._writes, "file not open for writing")
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        length = data.nbytes if isinstance(data, memoryview) else len(memoryview(data).cast("B"))
        self._file.write(self._compressor.compress(data))
        self._written += length
        return length

    def flush(self) -> None:
        """Flushes the blocks that are coded; the text of one that is not full stays here until ``close``."""
        self._check()
        if self._writes and hasattr(self._file, "flush"):
            self._file.flush()


class _Text(io.RawIOBase):
    """The text of a source of streams."""

    def __init__(self, source: Any, model: Any, threads: int) -> None:
        self._pool: Optional[ThreadPoolExecutor] = None
        # Blocks that are decoded or on their way, the oldest first.
        self._blocks: OrderedDict[int, Any] = OrderedDict()
        self._idle: list[StreamReader] = []
        self._reader = StreamReader(source, model=model)
        self._bounds = self._reader.bounds
        self._position = 0
        self._threads = threads
        # The block that was read last.
        self._last: Optional[int] = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._bounds[-1]}.get(whence)
        if start is None:
            raise ValueError(f"invalid whence: {whence}")
        if start + offset < 0:
            raise ValueError(f"negative seek position {start + offset}")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        if self._position >= self._bounds[-1]:
            return 0
        number = bisect_right(self._bounds, self._position) - 1
        text = self._block(number)
        begin, view = self._position - self._bounds[number], memoryview(buffer).cast("B")
        piece = text[begin : begin + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _block(self, number: int) -> bytes:
        if self._threads > 1 and len(self._bounds) > 2:
            return self._block_of_pool(number)
        if number not in self._blocks:
            self._blocks.clear()
            self._blocks[number] = self._reader.block(number)
        return self._blocks[number]

    def _block_of_pool(self, number: int) -> bytes:
        """The block, and those behind it on their way where blocks are read one after the other."""
        is_next = self._last is not None and number == self._last + 1
        ahead = range(number, min(number + (self._threads if is_next else 1), len(self._bounds) - 1))
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads)
        for block in ahead:
            if block not in self._blocks:
                self._blocks[block] = self._pool.submit(self._decode, block)
        self._blocks.move_to_end(number)
        while len(self._blocks) > self._threads + 1:
            oldest = next(block for block in self._blocks if block not in ahead)
            self._blocks.pop(oldest).cancel()
        self._last = number
        return self._blocks[number].result()

    def _decode(self, block: int) -> bytes:
        reader = self._idle.pop() if self._idle else self._reader.clone()
        try:
            return reader.block(block)
        finally:
            self._idle.append(reader)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        self._blocks.clear()
        super().close()
