"""M2, the language model of tokens, in PyTorch, and its training data.

The equations are those of ``host/experiments/m2.md``; checkpoints are those of ``equalinfo train m2``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from typing import Any, Dict, Iterable, Optional, Union

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from .errors import ModelError
from .shards import TokenShards

__all__ = ["Config", "M2", "TokenDataset", "IGNORE"]

IGNORE = -100
"""A label without a loss."""
HEAD = 64
"""Values of a head."""
BUCKETS = 32
"""Position biases of a head."""
FORMAT = "equalinfo-checkpoint-2"
EPSILON = 1e-6
# Distances at which the buckets behind the first 16 begin: T5's, up to 128.
STARTS = (16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113)
PRESETS = {
    "tiny": (2, 1, 256),
    "3m": (3, 4, 1024),
    "25m": (6, 8, 2048),
    "113m": (12, 12, 3072),
    "403m": (24, 16, 4096),
    "2b": (24, 32, 8192),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Sizes of an M2. Its width is ``64 * heads``; the embedding has a row for each token and one for the start."""

    layers: int
    heads: int
    feed_forward: int
    context: int
    vocabulary: int

    @classmethod
    def preset(cls, name: str, vocabulary: int, context: int) -> Config:
        """``tiny``, ``25m``, ``113m``, ``403m`` or ``2b``, for rows of ``context`` tokens."""
        layers, heads, feed_forward = PRESETS[name]
        return cls(layers, heads, feed_forward, context, vocabulary)

    @property
    def width(self) -> int:
        """Values of a position in the residual stream."""
        return HEAD * self.heads


def _norm(x: torch.Tensor) -> torch.Tensor:
    """RMSNorm without a gain, in f32 whatever the products are in."""
    return F.rms_norm(x.float(), x.shape[-1:], eps=EPSILON)


class _Layer(torch.nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        d, ff = config.width, config.feed_forward
        matrix = lambda outputs, inputs: torch.nn.Parameter(torch.zeros(outputs, inputs))
        self.heads = config.heads
        self.qkv, self.bias, self.out = matrix(3 * d, d), matrix(config.heads, BUCKETS), matrix(d, d)
        self.gate_linear, self.down = matrix(2 * ff, d), matrix(d, ff)

    def forward(self, x: torch.Tensor, buckets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, positions, d = x.shape
        qkv = F.linear(_norm(x), self.qkv).view(batch, positions, 3, self.heads, HEAD)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        bias = (self.bias[:, buckets] + mask).to(q.dtype)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=HEAD**-0.5)
        x = x + F.linear(o.transpose(1, 2).reshape(batch, positions, d), self.out)
        gate, linear = F.linear(_norm(x), self.gate_linear).chunk(2, -1)
        return x + F.linear(F.relu(gate) * linear, self.down)


class M2(torch.nn.Module):
    """A decoder of tokens: RMSNorm without gains, attention with T5's relative position bias, ReGLU, tied embedding.

    :param config: the sizes.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.state: Dict[str, Any] = {}
        d = config.width
        # A quarter of the usual deviation: an output that is nearly uniform costs a short run least.
        self.embedding = torch.nn.Parameter(torch.randn(config.vocabulary + 1, d) * 0.25 / math.sqrt(d))
        self.layers = torch.nn.ModuleList(_Layer(config) for _ in range(config.layers))
        residual = 1 / math.sqrt(2 * config.layers)
        for name, matrix in self.named_parameters():
            if name != "embedding" and not name.endswith("bias"):
                scale = residual if name.endswith(("out", "down")) else 1.0
                torch.nn.init.normal_(matrix, std=scale / math.sqrt(matrix.shape[1]))
        distance = torch.arange(config.context)
        bucket = torch.where(distance < 16, distance, 15 + (distance[:, None] >= torch.tensor(STARTS)).sum(1))
        back = distance[:, None] - distance[None, :]
        self.register_buffer("_buckets", bucket[back.clamp(min=0)], persistent=False)
        unseen = torch.zeros(config.context, config.context).masked_fill(back < 0, -math.inf)
        self.register_buffer("_mask", unseen, persistent=False)

    @property
    def start(self) -> int:
        """The symbol that every row begins with, behind all tokens: the ``bos_id`` of the tokenizer, unless documents
        have ends (:attr:`TokenShards.end <equalinfo.shards.TokenShards.end>`), whose token has that id."""
        return self.config.vocabulary

    def forward(self, symbols: torch.Tensor) -> torch.Tensor:
        """The logits of the token after each symbol, ``[batch, positions, vocabulary]``.

        :param symbols: ``[batch, positions]`` integers: :attr:`start` and the tokens before the last.
        """
        positions = symbols.shape[1]
        if positions > self.config.context:
            raise ValueError(f"{positions} positions: expected at most {self.config.context}")
        buckets, mask = self._buckets[:positions, :positions], self._mask[:positions, :positions]
        x = math.sqrt(self.config.width) * F.embedding(symbols, self.embedding)
        for layer in self.layers:
            x = layer(x, buckets, mask)
        return F.linear(_norm(x), self.embedding[: self.config.vocabulary])

    def losses(self, symbols: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Nats that each label costs, ``[batch, positions]``; 0 where it is :data:`IGNORE`."""
        logits = self(symbols).float()
        return F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE, reduction="none")

    def loss(self, symbols: torch.Tensor, labels: torch.Tensor, z_loss: float = 1e-4) -> torch.Tensor:
        """The mean of :meth:`losses` over labels, and the z-loss that training adds, ``z_loss * ln(Z)^2``."""
        logits = self(symbols).float()
        counted = labels != IGNORE
        nats = F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORE)
        return nats + z_loss * (logits.logsumexp(-1).square() * counted).sum() / counted.sum()

    @torch.no_grad()
    def sample(
        self,
        before: Iterable[int] = (),
        tokens: int = 64,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: Optional[int] = None,
        generator: Optional[torch.Generator] = None,
    ) -> np.ndarray:
        """Draws tokens after those of ``before``, until there are ``tokens`` or the context is full: an ``int64``
        array.

        :param temperature: logits are divided by it; 0 takes the likeliest.
        :param top_p: only the likeliest that together have this probability.
        :param stop: a token that ends the sample and is no part of it, such as the end of a document; a document begins
            where ``before`` begins with it.
        """
        device = self.embedding.device
        row = torch.tensor([[self.start, *map(int, before)]], device=device)
        first = row.shape[1]
        for _ in range(min(tokens, self.config.context + 1 - first)):
            logits = self(row)[0, -1].float()
            if temperature <= 0:
                token = logits.argmax()[None]
            else:
                shares, order = (logits / temperature).softmax(-1).sort(descending=True)
                shares[shares.cumsum(-1) - shares >= top_p] = 0
                token = order[torch.multinomial(shares, 1, generator=generator)]
            if token.item() == stop:
                break
            row = torch.cat([row, token[None]], 1)
        return row[0, first:].cpu().numpy()

    @classmethod
    def load(cls, path: Union[str, os.PathLike[str]], device: Union[str, torch.device] = "cpu") -> M2:
        """Reads a checkpoint that ``equalinfo train m2`` or :meth:`save` wrote.

        :raises ModelError: the file is no such checkpoint, or is one of an M1 with n-gram tables.
        """
        with safe_open(path, "pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ModelError(f"{path}: expected format {FORMAT}, found {metadata.get('format')}")
            state = json.loads(metadata["state"])
            sizes = {name: state["model"][name] for name in Config.__dataclass_fields__}
            if state["model"].get("ngrams"):
                raise ModelError(f"{path}: a model with n-gram tables is an M1")
            model = cls(Config(**sizes)).to(device)
            model.state = state
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(file.get_tensor(name).view_as(parameter))
        return model

    def save(
        self,
        path: Union[str, os.PathLike[str]],
        name: str = "m2",
        step: int = 0,
        shards: Union[str, os.PathLike[str], TokenShards, None] = None,
    ) -> None:
        """Writes a checkpoint that ``equalinfo eval m2``, ``generate`` and :meth:`load` read. AdamW's moments in it are
        zero: a run that resumes from it begins its optimizer anew.

        :param step: optimizer steps done.
        :param shards: the shards that the model was trained on, whose tokens the checkpoint names; a model from
            :meth:`load` knows them.

        :raises ModelError: neither is known.
        """
        origin = self.state.get("origin")
        if shards is not None:
            origin = (shards if isinstance(shards, TokenShards) else TokenShards(shards)).origin
        if origin is None:
            raise ModelError("a checkpoint names the tokens that the model knows: expected their shards")
        parameters = {name: parameter.detach().float().cpu() for name, parameter in self.named_parameters()}
        count = sum(parameter.numel() for parameter in parameters.values())
        tensors = {name: parameter.contiguous() for name, parameter in parameters.items()}
        tensors |= {f"optimizer.{moment}": torch.zeros(count) for moment in ("first", "second")}
        settings = self.state.get("settings") or {
            "batch": 1,
            "sequence": self.config.context,
            "micro_batch": self.config.context,
            "workers": 1,
            "precision": "f32",
            "learning_rate": {"schedule": "cosine", "peak": 1e-3, "warm_up": 1, "steps": max(1, step), "decay_steps": 1},
            "weight_decay": 0.05,
            "clip": 1.0,
            "z_loss": 1e-4,
            "mix": {"windows": 0.0, "messages": 0.0},
            "resegment": 0,
            "window_text": 0,
            "seed": 1,
        }
        state = {
            "name": name,
            "origin": origin,
            "model": dataclasses.asdict(self.config),
            "settings": {**settings, "optimizer": "adamw"},
            "step": step,
            "bytes": 0,
            "seconds": 0.0,
            "windows_step": 0,
        }
        written = json.dumps(state)
        checksum = hashlib.sha256(written.encode())
        for values in tensors.values():
            checksum.update(values.numpy().astype("<f4").tobytes())
        save_file(tensors, path, {"format": FORMAT, "state": written, "sha256": checksum.hexdigest()})


class TokenDataset(torch.utils.data.Dataset):
    """Rows of token shards, for a ``DataLoader`` with any number of workers; ranks deal them by a
    ``DistributedSampler``.

    An item has ``symbols`` and ``labels``, both ``[sequence]``: what :meth:`M2.loss` takes, padded with the start
    symbol and :data:`IGNORE`, and ``text``, the bytes of text that the labels stand for.

    :param shards: a directory that ``equalinfo tokenize`` wrote, or its :class:`~equalinfo.shards.TokenShards`.
    """

    def __init__(self, shards: Union[TokenShards, str, os.PathLike[str]]) -> None:
        self.shards = shards if isinstance(shards, TokenShards) else TokenShards(shards)

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, number: int) -> Dict[str, Any]:
        ids, given, text = self.shards.row(number)
        start, sequence = self.shards.vocabulary, self.shards.sequence
        symbols = np.full(sequence + 1, start, np.int64)
        symbols[1 : len(ids) + 1] = ids
        labels = np.full(sequence, IGNORE, np.int64)
        labels[given : len(ids)] = ids[given:]
        return {"symbols": torch.from_numpy(symbols[:-1]), "labels": torch.from_numpy(labels), "text": text}
