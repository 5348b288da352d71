"""Compression, models and tokenizers in native code."""

import builtins
import os
from typing import Any, BinaryIO, Dict, Iterable, List, Literal, Optional, Sequence, Tuple, Union, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

__all__: List[str]
VERSION: str

_Text = Union[str, Buffer]
"""A text: the bytes of a buffer, or of a ``str`` in UTF-8."""
_Path = Union[str, "os.PathLike[str]"]
_Ids = npt.ArrayLike
"""Ids of tokens: an integer, or an array, tensor or sequence of integers."""
_TokenArray = npt.NDArray[Union[np.uint8, np.uint16, np.uint32]]

def compress(
    data: _Text,
    level: int = 6,
    *,
    model: Union[Model, Lexicon, _Path, None] = None,
    window_bits: Optional[int] = None,
    block_size: Optional[int] = None,
    threads: Optional[int] = None,
) -> bytes:
    """The stream (``.eqi``) of a text, which the tool ``equalinfo`` reads too.

    :param level: 1 (fastest) to 9 (smallest).
    :param model: codes in the place of the level's model, with the level's tables.
    :param window_bits: windows of 8 to 128 bits, a multiple of 8, that decode alone; without tables.
    :param block_size: bytes of text in a block, which is coded, checked and decoded alone.
    :param threads: by default one per core. The stream does not depend on them.
    """

def decompress(
    data: Buffer, *, model: Union[Model, Lexicon, _Path, None] = None, threads: Optional[int] = None
) -> bytes:
    """The text of a stream, or of several one after the other.

    :param model: by default the one that the stream names, of the shipped ones and those that ``equalinfo models add``
        has installed.
    :raises DamageError: blocks are damaged; the error has the text of all others, and says which bytes are lost.
    :raises StreamError: the data is no stream.
    :raises ModelError: the stream needs another model.
    """

def compress_message(
    text: _Text,
    model: Union[Model, Lexicon, _Path, None] = None,
    *,
    window_bits: Optional[int] = None,
    check: Literal[0, 8, 16] = 0,
    context: Optional[int] = None,
) -> bytes:
    """A short text with nothing around it, never more than a byte longer than the text: both sides must know the model
    and all that is given here.

    :param window_bits: windows of this width that decode alone; by default as few bytes as possible.
    :param check: bits of a check that follows the message, so that damage and another model are noticed.
    :param context: bytes of context, at most the model's.
    """

def decompress_message(
    message: Buffer,
    model: Union[Model, Lexicon, _Path, None] = None,
    *,
    window_bits: Optional[int] = None,
    check: Literal[0, 8, 16] = 0,
    context: Optional[int] = None,
) -> bytes:
    """The text of a message.

    :raises MessageError: it is none of this model, or its check does not agree.
    """

def write_shards(
    directory: _Path,
    documents: Iterable[_Text],
    tokenizer: Tokenizer,
    *,
    layout: Literal["examples", "stream"] = "examples",
    sequence: int = 512,
    rows_per_shard: int = 8192,
    tokens: Optional[int] = None,
    names: Optional[Sequence[str]] = None,
    threads: Optional[int] = None,
) -> Optional[int]:
    """Turns documents into token shards, and returns how many rows they have; ``None`` where there is no text.

    :func:`equalinfo.shards.write_shards` says what the arguments are.
    """

@final
class Compressor:
    """Compresses a text that arrives in pieces, as :func:`zlib.compressobj` does."""

    def __new__(
        cls,
        level: int = 6,
        *,
        model: Union[Model, Lexicon, _Path, None] = None,
        window_bits: Optional[int] = None,
        block_size: Optional[int] = None,
        threads: Optional[int] = None,
    ) -> Compressor:
        """The arguments are those of :func:`compress`."""

    def compress(self, data: _Text) -> bytes:
        """Takes a piece of the text, and returns what the stream has grown by; often nothing. Waits while the coder is
        far behind."""

    def flush(self) -> bytes:
        """Ends the text, and returns the rest of the stream."""

@final
class StreamReader:
    """Blocks of a file of streams; what :class:`equalinfo.EqualInfoFile` reads with."""

    def __new__(
        cls, source: Union[_Path, BinaryIO], *, model: Union[Model, Lexicon, _Path, None] = None
    ) -> StreamReader:
        """Reads where the blocks of a path or a file object are, which must be able to seek."""

    def clone(self) -> StreamReader:
        """Another reader of the same source, for a thread of its own."""

    @property
    def bounds(self) -> List[int]:
        """Where the text of each block begins, and where that of the last ends."""

    def block(self, number: int) -> bytes:
        """The text of a block, counted from 0.

        :raises DamageError: it is damaged.
        """

    def window(self, number: int) -> bytes:
        """The text of a window, counted from 0 over the whole file."""

@final
class Model:
    """An M1: an integer byte language model, the same bits on every machine."""

    def __new__(cls, name: Optional[_Path] = None) -> Model:
        """A shipped model (by default ``micro``), the ``.m1q`` file of this path, or one that ``equalinfo models add``
        has installed.

        :raises ModelError: there is none, or the file holds something else.
        """

    @classmethod
    def from_bytes(cls, image: Buffer) -> Model:
        """The model of a ``.m1q`` image."""

    @staticmethod
    def shipped() -> List[str]:
        """The names of the shipped models, smallest first."""

    @property
    def name(self) -> str:
        """The name in its image."""

    @property
    def id(self) -> int:
        """A digest of its content; streams carry the upper half."""

    @property
    def context(self) -> int:
        """Bytes that it sees at most."""

    @property
    def layers(self) -> int:
        """Layers of attention and feed-forward."""

    @property
    def width(self) -> int:
        """Values of the residual stream."""

    def to_bytes(self) -> bytes:
        """Its ``.m1q`` image."""

    def costs(self, text: _Text, *, context: Optional[int] = None) -> npt.NDArray[np.float64]:
        """Bits that each byte of a text costs, ``[bytes]``: minus the binary logarithm of its probability after the
        bytes before it, ``context`` at most."""

    def bits_per_byte(self, text: _Text, *, context: Optional[int] = None) -> float:
        """The mean of :meth:`costs`; 0 for the empty text."""

    def probabilities(self, before: Optional[_Text] = None) -> npt.NDArray[np.float64]:
        """The probability of each byte after a text, ``[256]``; multiples of 1/65536 whose sum is 1."""

    def lexicon(self, context: Optional[int] = None, threads: Optional[int] = None) -> Lexicon:
        """The texts of its windows of 16 bits, which code them many times as fast. Takes a second or two."""

@final
class Lexicon:
    """The texts of all windows of 16 bits: codes them in the place of the model that it was compiled from."""

    def __new__(cls, path: _Path) -> Lexicon:
        """Reads a ``.lex`` file."""

    @classmethod
    def from_bytes(cls, image: Buffer) -> Lexicon:
        """The lexicon of a ``.lex`` image."""

    @property
    def kind(self) -> str:
        """``window-code`` or ``optimal``."""

    @property
    def id(self) -> int:
        """A digest of its content."""

    @property
    def model_id(self) -> int:
        """The id of the model that it was compiled from."""

    @property
    def context(self) -> int:
        """Bytes in a text at most."""

    def to_bytes(self) -> bytes:
        """Its ``.lex`` image."""

@final
class Tokenizer:
    """Turns texts into ids of tokens for language models, and back. Threads may share it, and it can be pickled.

    Ids of text are below :attr:`vocabulary`. The three special ids lie behind them, so no text can spell one:
    :attr:`bos_id` (which is the start symbol of M2), :attr:`eos_id`, :attr:`pad_id`. Arrays of ids have the narrowest
    type: that of text is ``uint8`` or ``uint16``, and with special ids ``uint16`` or ``uint32``.
    """

    @classmethod
    def windows(
        cls,
        model: Union[Model, _Path, None] = None,
        bits: int = 16,
        *,
        token_bits: Literal[8, 16] = 16,
        code: Literal["default", "flexible", "delay"] = "default",
        context: Optional[int] = None,
    ) -> Tokenizer:
        """Equal-Info windows of ``bits`` bits, each of which decodes alone, cut into tokens of ``token_bits``.

        After 256 KiB of text, windows of 16 bits in the default code are made by the model's lexicon, at many times the
        speed; see :meth:`compile`.

        :param code: ``flexible`` closes windows where the next one reaches furthest: up to 3% fewer tokens, slower.
        """

    @classmethod
    def lexicon(cls, lexicon: Union[Lexicon, _Path]) -> Tokenizer:
        """The codes of a lexicon."""

    @classmethod
    def from_file(cls, path: _Path) -> Tokenizer:
        """The subwords of a Hugging Face ``tokenizer.json``.

        A text that names a special token of it is still text. Bytes that are no UTF-8 become U+FFFD, and a vocabulary
        that normalizes text gives back what it made of it.
        """

    @classmethod
    def from_json(cls, json: _Text, name: str = "tokenizer") -> Tokenizer:
        """The subwords of the content of a ``tokenizer.json``."""

    @classmethod
    def bytes(cls) -> Tokenizer:
        """Each byte is a token."""

    @classmethod
    def from_files(cls, settings: Dict[str, Any], file: Optional[Buffer] = None) -> Tokenizer:
        """The tokenizer of what :meth:`to_files` gave."""

    def to_files(self) -> Tuple[Dict[str, Any], Optional[builtins.bytes]]:
        """What it is, as JSON can hold it, and the file of its model (``.m1q``), lexicon (``.lex``) or vocabulary
        (``tokenizer.json``), if it has one."""

    @property
    def name(self) -> str:
        """The method, as in the paper's tables."""

    @property
    def vocabulary(self) -> int:
        """Ids of text are below it."""

    @property
    def vocab_size(self) -> int:
        """All ids are below it, the special ones too."""

    @property
    def bos_id(self) -> int:
        """The beginning of a text."""

    @property
    def eos_id(self) -> int:
        """The end of a text."""

    @property
    def pad_id(self) -> int:
        """What fills a row."""

    @property
    def is_compiled(self) -> bool:
        """Whether a lexicon makes the windows."""

    def compile(self, threads: Optional[int] = None) -> bool:
        """Makes the model's lexicon now, where it has these tokens, and says whether there is one. Takes a second or
        two; changes the speed and no token."""

    def encode(self, text: _Text, *, bos: bool = False, eos: bool = False) -> _TokenArray:
        """The ids of a text, ``[tokens]``."""

    def encode_with_offsets(self, text: _Text) -> Tuple[_TokenArray, npt.NDArray[np.uint64]]:
        """The ids, and for each the first byte of the text that it stands for and the one behind the last,
        ``[tokens, 2]``; tokens of one window have the same."""

    def encode_batch(
        self, texts: Sequence[_Text], *, bos: bool = False, eos: bool = False, threads: Optional[int] = None
    ) -> List[_TokenArray]:
        """The ids of each text, by several threads."""

    def decode(self, ids: _Ids, *, skip_special: bool = True) -> builtins.bytes:
        """The text of ids.

        :raises TokenError: an id is none, is special where those are not skipped, or the ids end within a window.
        """

    def decode_batch(
        self, rows: Sequence[_Ids], *, skip_special: bool = True, threads: Optional[int] = None
    ) -> List[builtins.bytes]:
        """The text of each row of ids, by several threads."""

    def decoder(self, encoding: Optional[str] = None, errors: str = "strict") -> TokenDecoder:
        """A decoder that takes ids as they come.

        :param encoding: for ``str``, of whole characters alone; by default the decoder gives ``bytes``.
        :param errors: what becomes of bytes that are no characters, as in :meth:`bytes.decode`.
        """

@final
class TokenDecoder:
    """Turns ids into text as they come, and keeps back what is not complete: windows and characters."""

    def push(self, ids: _Ids, *, skip_special: bool = True) -> Union[bytes, str]:
        """The text that is complete with these ids."""

    def finish(self) -> Union[bytes, str]:
        """Ends the text, and returns what was kept back.

        :raises TokenError: the ids end within a window.
        """
