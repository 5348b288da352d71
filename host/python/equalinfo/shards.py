"""Token shards: what ``equalinfo tokenize`` writes and language models train on."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
from typing import Any, Dict, Iterable, List, Literal, Optional, Sequence, Tuple, Union

import numpy as np

from . import _native
from .errors import Error

__all__ = ["ShardError", "TokenShards", "write_shards"]

FORMAT = "equalinfo-tokens-3"

# Settings that say how the directory was made, and nothing of what ids mean.
_OF_THE_DIRECTORY = frozenset(
    ("name", "vocabulary", "layout", "rows_per_shard", "corpus", "corpus_sha256", "shard", "text_field", "lines")
    + ("limit", "tokens")
)

# Those in which directories that are read together may differ.
_OF_THE_INPUT = _OF_THE_DIRECTORY - {"name", "vocabulary", "layout"} | {"model"}


class ShardError(Error):
    """A directory holds no complete shards, or a file of them is not what the manifest says."""


class TokenShards:
    """The rows of a directory of shards, read where they lie: a corpus may be larger than memory.

    ``len(shards)`` is the number of rows, ``shards[number]`` the ids of one without padding. It can be pickled; every
    process opens the files for itself.

    :param directory: what ``equalinfo tokenize`` or :func:`write_shards` wrote; or a directory of such directories,
        whose rows follow each other in the order of their names.
    :ivar manifest: the content of ``manifest.json``, with the shards of all directories.
    :ivar vocabulary: ids are below it.
    :ivar end: the token that ends a document, the last of the vocabulary; ``None`` where documents have no ends.
    :ivar sequence: tokens in a row at most.

    :raises ShardError: the directory holds no complete shards, or not all of the same tokens.
    """

    def __init__(self, directory: Union[str, os.PathLike[str]]) -> None:
        self.directory = pathlib.Path(directory)
        parts = [self.directory]
        if not (self.directory / "manifest.json").exists():
            parts = sorted(path.parent for path in self.directory.glob("*/manifest.json")) or parts
        manifests = [_manifest(part) for part in parts]
        for part, manifest in zip(parts, manifests):
            if (found := _rows_of(manifest)) != (expected := _rows_of(manifests[0])):
                names = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
                words = (f"{name} {found.get(name)}, expected {expected.get(name)}" for name in names)
                raise ShardError(f"{part}: holds other tokens than {parts[0]}: {'; '.join(words)}")
        shards = [
            {**shard, "file": str(place / shard["file"]), "row_file": str(place / shard["row_file"])}
            for place, manifest in zip((part.relative_to(self.directory) for part in parts), manifests)
            for shard in manifest["shards"]
        ]
        self.manifest: Dict[str, Any] = {**manifests[0], "shards": shards}
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


def _manifest(directory: pathlib.Path) -> Dict[str, Any]:
    path = directory / "manifest.json"
    try:
        manifest: Dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ShardError(f"{directory}: no manifest.json; expected what 'equalinfo tokenize' wrote") from None
    if manifest.get("format") != FORMAT:
        raise ShardError(f"{path}: expected format {FORMAT}, found {manifest.get('format')}")
    if not manifest["complete"]:
        raise ShardError(f"{directory}: not complete; run 'equalinfo tokenize' again to continue")
    return manifest


def _rows_of(manifest: Dict[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in manifest["settings"].items() if key not in _OF_THE_INPUT}


def write_shards(
    directory: Union[str, os.PathLike[str]],
    documents: Iterable[Union[str, bytes]],
    tokenizer: _native.Tokenizer,
    *,
    layout: Literal["examples", "stream"] = "examples",
    sequence: int = 512,
    rows_per_shard: int = 8192,
    tokens: Optional[int] = None,
    names: Sequence[str] = (),
    threads: Optional[int] = None,
) -> Optional[TokenShards]:
    """Turns documents into token shards: the rows that ``equalinfo tokenize`` makes of the same documents in files.

    What was interrupted continues behind its last shard, and a directory that is complete stays as it is, if the
    documents are the same: they are read again and compared. Memory holds some megabytes of text; where the layout is
    ``stream``, 128 documents for each thread.

    :param directory: of the shards and their manifest; one process at a time writes it.
    :param documents: texts in their order. Empty ones are left out.
    :param layout: ``examples``, the first tokens of each 10,240 bytes, as in the paper; or ``stream``, all of them.
    :param sequence: tokens in a row.
    :param rows_per_shard: rows in a file.
    :param tokens: stop after this many.
    :param names: what the manifest says that the documents are; other names make no other shards.
    :param threads: by default one per core. The shards do not depend on them.

    :return: the shards; ``None`` if the documents have no text.
    :raises ShardError: the directory holds tokens of other settings or of other documents, or another process is
        writing it.
    :raises TokenError: the tokenizer cannot encode a document.
    """
    options = {"layout": layout, "sequence": sequence, "rows_per_shard": rows_per_shard, "tokens": tokens}
    rows = _native.write_shards(directory, documents, tokenizer, **options, names=list(names), threads=threads)
    return None if rows is None else TokenShards(directory)
