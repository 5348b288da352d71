"""Exceptions of EqualInfo.

Arguments that make no sense raise ``ValueError`` or ``TypeError``, files that cannot be read or written ``OSError``;
everything else is an :class:`Error`.
"""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional, Tuple

__all__ = ["Error", "StreamError", "DamageError", "Loss", "ModelError", "MessageError", "TokenError"]


class Error(Exception):
    """Anything that EqualInfo refuses or finds damaged."""


class StreamError(Error):
    """The data is no stream, or is cut short."""


class Loss(NamedTuple):
    """Damage to a stream, and the text that it cost."""

    blocks: Tuple[int, int]
    """The first lost block and the one behind the last; equal if all text was delivered all the same."""
    text_offset: Optional[int]
    """Where the lost bytes begin in the whole text, if that is known."""
    length: Optional[int]
    """How many bytes are lost, if that is known."""
    is_open: bool
    """Whether the stream is cut short, so that any number of blocks may have followed."""
    cause: str
    """What was found."""
    message: str
    """All of it in words."""


class DamageError(StreamError):
    """Blocks of a stream are damaged; all others were decoded.

    :ivar losses: a :class:`Loss` for each place of damage: which bytes of the text are missing.
    :ivar text: the text of the intact blocks, joined; from ``decompress`` alone.
    """

    losses: List[Loss]
    text: bytes

    def __init__(self, losses: Iterable[tuple], text: bytes = b"") -> None:
        self.losses = [Loss(*loss) for loss in losses]
        self.text = text
        super().__init__(self.losses, text)

    def __str__(self) -> str:
        return "; ".join(loss.message for loss in self.losses)


class ModelError(Error):
    """A model, lexicon or vocabulary cannot be had, or is not the one that a stream needs."""


class MessageError(Error):
    """The data is no message of this model, or its check does not agree."""


class TokenError(Error):
    """A token is none of text, or tokens do not make a text."""
