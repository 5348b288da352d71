"""Tokens of the package equalinfo beside those of Hugging Face's tokenizers and of tiktoken: bytes of text a token, and
speed in both directions, of one thread.

    python tests/speed/token_peers.py TEXT...

The peers' vocabularies are byte-level BPE, trained here on the first half of the text and measured on the second, as
ours is: none is trained on what it is measured on. tiktoken gets the very merges that tokenizers has found. What is not
installed is left out.
"""

import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import equalinfo

SECONDS = 2.0
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""


def rate(work, size):
    """MB/s of the fastest of some runs."""
    best, began = float("inf"), time.perf_counter()
    while best == float("inf") or time.perf_counter() - began < SECONDS:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return size / best / 1e6


def row(name, vocabulary, text, encode, decode):
    ids = encode(text)
    back = decode(ids)
    assert (back.encode() if isinstance(back, str) else back) == text, f"{name}: the text does not come back"
    encoded, decoded = rate(lambda: encode(text), len(text)), rate(lambda: decode(ids), len(text))
    print(f"| {name} | {vocabulary:,} | {len(text) / len(ids):.3f} | {encoded:.2f} | {decoded:.2f} |")


def ours(text):
    for model in ("nano", "micro"):
        windows = equalinfo.Tokenizer.windows(model)
        row(f"equalinfo windows, {model}", windows.vocabulary, text, windows.encode, windows.decode)
        windows.compile()
        row("the same by its lexicon", windows.vocabulary, text, windows.encode, windows.decode)


def byte_level():
    """The characters that byte-level BPE writes bytes as, as GPT-2 began it."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {**{chr(byte): byte for byte in shown}, **{chr(256 + n): byte for n, byte in enumerate(hidden)}}


def peers(train, text, size):
    """Measures vocabularies of at most `size`; the size that they have."""
    try:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError:
        return 0
    bpe = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator([train.decode(errors="replace")], trainer)
    vocabulary = bpe.get_vocab()

    def encode(text):
        return bpe.encode(text.decode()).ids

    row("tokenizers, BPE", len(vocabulary), text, encode, bpe.decode)
    try:
        import tiktoken
    except ImportError:
        return len(vocabulary)
    of = byte_level()
    ranks = {bytes(of[character] for character in token): rank for token, rank in vocabulary.items()}
    other = tiktoken.Encoding("measured", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    assert other.encode_ordinary(text.decode()) == encode(text), "tiktoken has other tokens"
    row("tiktoken, the same BPE", len(ranks), text, lambda text: other.encode_ordinary(text.decode()), other.decode_bytes)
    return len(ranks)


def main():
    text = b"".join(open(path, "rb").read() for path in sys.argv[1:])
    try:
        text.decode()
    except UnicodeDecodeError as error:
        sys.exit(f"tokenizers and tiktoken need UTF-8: {error}")
    half = text.index(b"\n", len(text) // 2) + 1
    train, text = text[:half], text[half:]
    print(f"{len(text):,} bytes; BPE trained on the {len(train):,} bytes before them\n")
    print("| tokens | vocabulary | bytes a token | encode, MB/s | decode, MB/s |")
    print("|---|---|---|---|---|")
    ours(text)
    for size in (8_192, 65_536):
        # A short text has no more merges.
        if peers(train, text, size) < size:
            break


if __name__ == "__main__":
    main()
