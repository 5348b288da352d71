"""Neural text compression and tokenization with a byte language model in integers: the same bits on every machine.

>>> import equalinfo
>>> stream = equalinfo.compress(b"It was the best of times, it was the worst of times.")
>>> equalinfo.decompress(stream)
b'It was the best of times, it was the worst of times.'

>>> tokenizer = equalinfo.Tokenizer.windows("micro")
>>> ids = tokenizer.encode("It was the best of times")
>>> tokenizer.decode(ids)
b'It was the best of times'
"""

from ._native import VERSION as __version__
from ._native import (
    Compressor,
    Lexicon,
    Model,
    TokenDecoder,
    Tokenizer,
    compress,
    compress_message,
    decompress,
    decompress_message,
)
from .errors import DamageError, Error, Loss, MessageError, ModelError, StreamError, TokenError
from .files import EqualInfoFile, open

__all__ = [
    "Compressor",
    "DamageError",
    "EqualInfoFile",
    "Error",
    "Lexicon",
    "Loss",
    "MessageError",
    "Model",
    "ModelError",
    "StreamError",
    "TokenDecoder",
    "TokenError",
    "Tokenizer",
    "__version__",
    "compress",
    "compress_message",
    "decompress",
    "decompress_message",
    "open",
]
