"""EqualInfo's tokens for Hugging Face: a tokenizer that ``AutoTokenizer``, ``datasets`` and ``generate`` work with.

Importing this module is enough for ``AutoTokenizer.from_pretrained`` to know folders that ``save_pretrained`` wrote;
where it is not imported, ``trust_remote_code=True`` imports it.
"""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

from transformers import AddedToken, AutoTokenizer, PreTrainedConfig, PreTrainedTokenizer

import equalinfo

__all__ = ["EqualInfoConfig", "EqualInfoTokenizer"]

SETTINGS = "equalinfo.json"
MODEL = "equalinfo.model"
# What a saved folder holds for `trust_remote_code`.
MODULE = "tokenization_equalinfo"


class EqualInfoConfig(PreTrainedConfig):
    """A model of EqualInfo's tokens, by which ``AutoTokenizer`` finds the tokenizer."""

    model_type = "equalinfo"


class EqualInfoTokenizer(PreTrainedTokenizer):
    """A ``PreTrainedTokenizer`` over an :class:`equalinfo.Tokenizer`.

    A token is written as its id in angle brackets. The special tokens have the ids behind those of text, and no text
    becomes one, unless ``split_special_tokens=False`` asks for what Hugging Face does otherwise.

    :param tokenizer: what makes the tokens; by default that of the two files, which ``save_pretrained`` wrote.
    :param add_bos_token: whether a text begins with the token ``bos``, as M2 needs.
    :param add_eos_token: whether it ends with ``eos``.
    :param decode_errors: what becomes of bytes that are no UTF-8, as in :meth:`bytes.decode`.
    """

    vocab_files_names = {"settings_file": SETTINGS, "model_file": MODEL}
    model_input_names = ["input_ids", "attention_mask"]
    _auto_map = {"AutoTokenizer": [f"{MODULE}.EqualInfoTokenizer", None]}

    def __init__(
        self,
        settings_file: Optional[str] = None,
        model_file: Optional[str] = None,
        *,
        tokenizer: Optional[equalinfo.Tokenizer] = None,
        bos_token: str = "<|bos|>",
        eos_token: str = "<|eos|>",
        pad_token: str = "<|pad|>",
        add_bos_token: bool = True,
        add_eos_token: bool = False,
        decode_errors: str = "replace",
        split_special_tokens: bool = True,
        **kwargs: Any,
    ) -> None:
        self.tokenizer = tokenizer or _read(settings_file, model_file)
        self.add_bos_token, self.add_eos_token = add_bos_token, add_eos_token
        self.decode_errors = decode_errors
        ids = {self.tokenizer.bos_id: bos_token, self.tokenizer.eos_id: eos_token, self.tokenizer.pad_id: pad_token}
        self._added_tokens_decoder = {
            number: AddedToken(str(token), special=True, normalized=False) for number, token in ids.items()
        }
        super().__init__(
            bos_token=bos_token,
            eos_token=eos_token,
            pad_token=pad_token,
            add_bos_token=add_bos_token,
            add_eos_token=add_eos_token,
            decode_errors=decode_errors,
            split_special_tokens=split_special_tokens,
            **kwargs,
        )

    @classmethod
    def windows(
        cls,
        model: Union[equalinfo.Model, str, os.PathLike[str], None] = None,
        bits: int = 16,
        *,
        token_bits: Literal[8, 16] = 16,
        code: Literal["default", "flexible", "delay"] = "default",
        context: Optional[int] = None,
        **kwargs: Any,
    ) -> EqualInfoTokenizer:
        """The tokens of :meth:`equalinfo.Tokenizer.windows`; ``kwargs`` are those of a ``PreTrainedTokenizer``."""
        windows = equalinfo.Tokenizer.windows(model, bits, token_bits=token_bits, code=code, context=context)
        return cls(tokenizer=windows, **kwargs)

    @property
    def vocab_size(self) -> int:
        """Ids of text are below it; ``len(tokenizer)`` counts the special ones too."""
        return self.tokenizer.vocabulary

    def get_vocab(self) -> Dict[str, int]:
        """All tokens and their ids."""
        return {**{f"<{number}>": number for number in range(self.vocab_size)}, **self._added_tokens_encoder}

    def _tokenize(self, text: str, **kwargs: Any) -> List[str]:
        return [f"<{number}>" for number in self.tokenizer.encode(text)]

    def _convert_token_to_id(self, token):
        number = token[1:-1]
        is_one = token == f"<{number}>" and number.isdecimal() and int(number) < self.vocab_size
        return int(number) if is_one else self.unk_token_id

    def _convert_id_to_token(self, index):
        if not 0 <= index < self.vocab_size:
            raise equalinfo.TokenError(f"token {index}: expected 0 to {len(self) - 1}")
        return f"<{index}>"

    def _encode_plus(self, text, *args, **kwargs):
        """Texts of a batch are encoded together, by several threads, and go on as ids."""
        is_batch = isinstance(text, (list, tuple)) and text and all(isinstance(one, str) for one in text)
        if is_batch and self.split_special_tokens and not kwargs.get("is_split_into_words"):
            # An empty list of ids would be taken for an empty batch.
            text = [ids.tolist() or "" for ids in self.tokenizer.encode_batch(text)]
        return super()._encode_plus(text, *args, **kwargs)

    def _decode(self, token_ids, skip_special_tokens=False, clean_up_tokenization_spaces=None, **kwargs):
        decoder, text = self.tokenizer.decoder(), []
        for number in [token_ids] if isinstance(token_ids, int) else token_ids:
            if number < self.vocab_size:
                text.append(decoder.push(number))
            elif number not in self._added_tokens_decoder:
                raise equalinfo.TokenError(f"token {number}: expected 0 to {len(self) - 1}")
            elif not (skip_special_tokens and self._added_tokens_decoder[number].special):
                text.append(self._added_tokens_decoder[number].content.encode())
        try:
            text.append(decoder.finish())
        except equalinfo.TokenError:
            # Tokens that were cut off within a window.
            pass
        return b"".join(text).decode(errors=self.decode_errors)

    def convert_tokens_to_string(self, tokens: List[str]) -> str:
        return self._decode(self.convert_tokens_to_ids(tokens))

    def build_inputs_with_special_tokens(
        self, token_ids_0: List[int], token_ids_1: Optional[List[int]] = None
    ) -> List[int]:
        before = [self.bos_token_id] if self.add_bos_token else []
        after = [self.eos_token_id] if self.add_eos_token else []
        first = before + token_ids_0 + after
        return first if token_ids_1 is None else first + before + token_ids_1 + after

    def get_special_tokens_mask(
        self,
        token_ids_0: List[int],
        token_ids_1: Optional[List[int]] = None,
        already_has_special_tokens: bool = False,
    ) -> List[int]:
        if not already_has_special_tokens:
            token_ids_0 = self.build_inputs_with_special_tokens(token_ids_0, token_ids_1)
        return [int(number >= self.vocab_size) for number in token_ids_0]

    def save_vocabulary(self, save_directory: str, filename_prefix: Optional[str] = None) -> Tuple[str, ...]:
        """Writes the settings, the model and what ``trust_remote_code`` needs; returns the files' names."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        settings, model = self.tokenizer.to_files()
        import_it = "from equalinfo.transformers import EqualInfoTokenizer  # noqa: F401\n"
        files = {prefix + SETTINGS: json.dumps(settings, indent=2).encode() + b"\n", f"{MODULE}.py": import_it.encode()}
        if model is not None:
            files[prefix + MODEL] = model
        for name, content in files.items():
            with open(os.path.join(save_directory, name), "wb") as file:
                file.write(content)
        return tuple(os.path.join(save_directory, name) for name in files)

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "AutoTokenizer") -> None:
        """Nothing is left to do: what ``save_pretrained`` writes says it already."""


def _read(settings_file: Optional[str], model_file: Optional[str]) -> equalinfo.Tokenizer:
    if settings_file is None:
        raise ValueError(f"expected a tokenizer, or a folder with {SETTINGS} as save_pretrained writes it")
    with open(settings_file, encoding="utf-8") as file:
        settings = json.load(file)
    model = None
    if model_file is not None:
        with open(model_file, "rb") as file:
            model = file.read()
    return equalinfo.Tokenizer.from_files(settings, model)


AutoTokenizer.register(EqualInfoConfig, EqualInfoTokenizer, exist_ok=True)
