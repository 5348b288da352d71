import pytest

import equalinfo


def test_messages_are_short_and_come_back(messages):
    packed = [equalinfo.compress_message(message, "nano") for message in messages]
    assert [equalinfo.decompress_message(message, "nano") for message in packed] == messages
    assert sum(map(len, packed)) < 0.5 * sum(map(len, messages))
    assert all(len(packed) <= len(message) + 1 for packed, message in zip(packed, messages))
    assert equalinfo.compress_message("") == b""


def test_checks(nano):
    text = b"Meet me at the station at noon."
    plain = equalinfo.compress_message(text, nano)
    for bits in (8, 16):
        checked = equalinfo.compress_message(text, nano, check=bits)
        assert checked[: len(plain)] == plain and len(checked) == len(plain) + bits // 8
        assert equalinfo.decompress_message(checked, nano, check=bits) == text
    for place in range(len(checked)):
        damaged = bytearray(checked)
        damaged[place] ^= 4
        with pytest.raises(equalinfo.MessageError):
            equalinfo.decompress_message(damaged, nano, check=16)
    with pytest.raises(equalinfo.MessageError, match="model 'micro'"):
        equalinfo.decompress_message(checked, "micro", check=16)
    with pytest.raises(ValueError, match="expected 0, 8 or 16"):
        equalinfo.compress_message(text, check=7)
    with pytest.raises(ValueError, match="no check"):
        equalinfo.compress_message(text, window_bits=32, check=8)


def test_windows_decode_alone(nano):
    text = b"Meet me at the station at noon."
    windows = equalinfo.compress_message(text, nano, window_bits=32, context=64)
    parts = [windows[place : place + 4] for place in range(0, len(windows), 4)]
    decoded = [equalinfo.decompress_message(part, nano, window_bits=32, context=64) for part in parts]
    assert b"".join(decoded) == text and all(decoded)
