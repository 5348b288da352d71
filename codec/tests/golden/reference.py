#!/usr/bin/env python3
"""The coders restated from codec/docs in unbounded integers, to write coding.txt: `reference.py > coding.txt`.

Nothing here is shared with the Rust code; both must give the same bits.
"""

from fractions import Fraction

LIKED = bytes.fromhex("00b7a7657f7fc8d80806f276c21268b828f8e8260999db414153044c5b77553d07602005df8dc040f7d51848d888cf5de7a53fadd7f58b9a0000b75e")
TEXT = LIKED + b"Training LLMs over Neurally Compressed Text \x00\xff\xf0\x9f\x93\x9d"
CONTEXT = 64


def starts(previous):
    """The 257 cumulative bounds after a byte (0 at the start), by the numeric contract's step "Frequencies".

    None is the place before a message.
    """
    if previous is None:
        return [0, 64768] + [65028 + 2 * symbol for symbol in range(254)] + [65536]
    weights = [40000 >> min(15, (byte * 7 & 255 ^ previous * 5 & 255) & 127) for byte in range(256)]
    inverse = (65024 << 24) // sum(weights)
    below, bounds = 0, []
    for byte, weight in enumerate(weights):
        bounds.append(2 * byte + (below * inverse >> 24))
        below += weight
    return bounds + [65536]


def default_window(bits, text, previous=0, limit=CONTEXT):
    low, span = 0, 2**bits - 1
    for taken, byte in enumerate(text[:limit]):
        bounds = starts(previous)
        counts = [end - start for start, end in zip(bounds, bounds[1:])]
        if span >= 2**32:
            unit = span >> 16
            shares = [unit * count for count in counts]
        else:
            fits = lambda m: sum(m * count >> 24 for count in counts) <= span
            m = 0
            for bit in reversed(range(42)):
                if fits(m | 1 << bit):
                    m |= 1 << bit
            shares = [m * count >> 24 for count in counts]
        if shares[byte] == 0:
            return low, taken
        low, span = low + 1 + sum(shares[:byte]), shares[byte] - 1
        previous = byte
    return low, min(len(text), limit)


def shortest(low, high, bits):
    """The fewest bits that, followed by zeros, lie in [low, high), as a number of `bits` bits, or None."""
    for kept in range(bits + 1):
        step = Fraction(1, 2**kept)
        point = -(-low // step)
        if point * step < high:
            return int(point) << bits - kept
    return None


def greedy_window(bits, text, delay):
    low, scale, size, previous, codes = Fraction(0), 63, 2**63, 0, []
    for byte in text[:CONTEXT]:
        bounds = starts(previous)
        unit = size >> 16
        low += Fraction(unit * bounds[byte], 2**scale)
        size = unit * (bounds[byte + 1] - bounds[byte])
        code = shortest(low, low + Fraction(size, 2**scale), bits)
        if code is None:
            break
        codes.append(code)
        scale, size, previous = scale + 64 - size.bit_length(), size << 64 - size.bit_length(), byte
    return codes[-1], codes.index(codes[-1]) + 1 if delay else len(codes)


def windows(bits, code):
    coded, rest = b"", TEXT
    while rest:
        value, taken = default_window(bits, rest) if code == "Default" else greedy_window(bits, rest, code == "Delay")
        coded, rest = coded + value.to_bytes(bits // 8, "big"), rest[taken:]
    return coded


def message(text):
    # A symbol 0 ahead, whose successor is that of the start.
    coded, rest, previous = b"", b"\0" + text, None
    while rest:
        for size in range(1, 17):
            value, taken = default_window(size * 8, rest, previous, len(rest))
            if taken == len(rest):
                break
        coded, previous, rest = coded + value.to_bytes(size, "big"), rest[taken - 1], rest[taken:]
    return coded if len(coded) <= len(text) + 1 else b"\xfd" + text


def range_code(text, context_free=None):
    """low and size in units of 2^-(64 + 8 * shifts)."""
    low, size, shifts, previous = 0, 2**64 - 1, 0, 0
    for byte in text:
        bounds = context_free or starts(previous)
        unit = size >> 16
        low, size = low + unit * bounds[byte], unit * (bounds[byte + 1] - bounds[byte])
        while size < 2**56:
            low, size, shifts = low << 8, size << 8, shifts + 1
        previous = byte
    length = 8 + shifts
    for kept in range(length + 1):
        step = 1 << 8 * (length - kept)
        point = -(-low // step) * step
        if point < low + size:
            break
    return (point >> 8 * (length - kept)).to_bytes(kept, "big").rstrip(b"\0")


if __name__ == "__main__":
    for bits in (16, 24, 32, 64, 128):
        for code in ("Default", "Paper", "Delay"):
            print(f"window {bits} {code}: {windows(bits, code).hex()}")
    print(f"message: {message(TEXT).hex()}")
    print(f"range: {range_code(TEXT).hex()}")
