"""Token shards: what ``equalinfo tokenize`` writes and language models train on."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np

from .errors import Error

__all__ = ["ShardError", "TokenShards"]

FORMAT = "equalinfo-tokens-3"

# Settings that say how the directory was made, and nothing of what ids mean.
_OF_THE_DIRECTORY = frozenset(
    ("name", "vocabulary", "layout", "rows_per_shard", "corpus", "corpus_sha256", "shard", "text_field", "lines")
    + ("limit", "tokens")
)


class ShardError(Error):
    """A directory holds no complete shards, or a file of them is not what the manifest says."""


class TokenShards:
    """The rows of a directory of shards, read where they lie: a corpus may be larger than memory.

    ``len(shards)`` is the number of rows, ``shards[number]`` the ids of one without padding. It can be pickled; every
    process opens the files for itself.

    :ivar manifest: the content of ``manifest.json``.
    :ivar vocabulary: ids are below it.
    :ivar end: the token that ends a document, the last of the vocabulary; ``None`` where documents have no ends.
    :ivar sequence: tokens in a row at most.

    :raises ShardError: the directory holds no complete shards.
    """

    def __init__(self, directory: Union[str, os.PathLike[str]]) -> None:
        self.directory = pathlib.Path(directory)
        path = self.directory / "manifest.json"
        try:
            self.manifest: Dict[str, Any] = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise ShardError(f"{directory}: no manifest.json; expected what 'equalinfo tokenize' wrote") from None
        if self.manifest.get("format") != FORMAT:
            raise ShardError(f"{path}: expected format {FORMAT}, found {self.manifest.get('format')}")
        if not self.manifest["complete"]:
            raise ShardError(f"{directory}: not complete; run 'equalinfo tokenize' again to continue")
        settings = self.manifest["settings"]
        self.vocabulary: int = settings["vocabulary"]
        self.end: Optional[int] = self.vocabulary - 1 if settings.get("end_of_document") else None
        self.sequence: int = settings["sequence"]
        self._starts = np.cumsum([0] + [shard["rows"] for shard in self.manifest["shards"]])
        self._open: Dict[int, Tuple[np.ndarray, np.ndarray]] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, number: int) -> np.ndarray:
        return self.row(number)[0]

    def row(self, number: int) -> Tuple[np.ndarray, int, int]:
        """The ids of a row, how many leading ones are given (without a loss), and the bytes of text that the others
        stand for."""
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(f"there is no row {number}")
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        tokens, rows = self._arrays(shard)
        index = number - self._starts[shard]
        length, given, text = map(int, rows[index])
        return tokens[index, :length], given, text

    def documents(self, number: int) -> List[np.ndarray]:
        """The ids of the documents of a row, without their ends; each decodes alone. The first may have begun in the
        row before, and the last may go on in the next."""
        ids = self[number]
        if self.end is None:
            return [ids]
        *whole, rest = np.split(ids, np.flatnonzero(ids == self.end) + 1)
        return [document[:-1] for document in whole] + ([rest] if len(rest) else [])

    @property
    def origin(self) -> Dict[str, Any]:
        """What a checkpoint says of the tokens that its model was trained on: what they mean, and the SHA-256 of the
        shards."""
        meaning = {key: value for key, value in self.manifest["settings"].items() if key not in _OF_THE_DIRECTORY}
        checksum = hashlib.sha256("".join(shard["sha256"] for shard in self.manifest["shards"]).encode())
        return {"of": "tokens", "meaning": meaning, "sha256": checksum.hexdigest()}

    @property
    def token_ratio(self) -> float:
        """Bytes of text in a token."""
        shards = self.manifest["shards"]
        return sum(shard["text"] for shard in shards) / max(1, sum(shard["tokens"] for shard in shards))

    def _arrays(self, number: int) -> Tuple[np.ndarray, np.ndarray]:
        if number not in self._open:
            shard = self.manifest["shards"][number]
            tokens = np.load(self.directory / shard["file"], mmap_mode="r")
            rows = np.load(self.directory / shard["row_file"], mmap_mode="r")
            if tokens.shape != (shard["rows"], self.sequence) or rows.shape != (shard["rows"], 3):
                raise ShardError(f"{self.directory / shard['file']}: its shape is {tokens.shape}")
            self._open[number] = tokens, rows
        return self._open[number]

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_open": {}}
