import pickle

import numpy as np
import pytest

import equalinfo


def test_what_a_model_is(nano, tmp_path):
    assert equalinfo.Model.shipped() == ["pico", "nano", "micro", "3m"]
    assert (nano.name, nano.context, nano.layers, nano.width) == ("nano", 128, 2, 64)
    assert equalinfo.Model().name == "micro"
    path = tmp_path / "mine.m1q"
    path.write_bytes(nano.to_bytes())
    for again in (equalinfo.Model(path), equalinfo.Model(str(path)), pickle.loads(pickle.dumps(nano))):
        assert again == nano and again.id == nano.id and hash(again) == hash(nano)
    assert equalinfo.Model.from_bytes(bytearray(nano.to_bytes())) == nano
    assert repr(nano) == f"<equalinfo.Model \"nano\" {nano.id:016x}>"
    path.write_bytes(b"text")
    with pytest.raises(equalinfo.ModelError, match="mine.m1q: expected a .m1q image"):
        equalinfo.Model(path)


def test_costs_are_those_of_the_probabilities(nano):
    text = b"It was the best of times"
    costs = nano.costs(text)
    assert costs.shape == (len(text),) and costs.dtype == np.float64
    for place in range(len(text)):
        probabilities = nano.probabilities(text[:place])
        assert probabilities.shape == (256,) and probabilities.sum() == 1
        assert costs[place] == pytest.approx(-np.log2(probabilities[text[place]]), abs=1e-12)
    assert nano.bits_per_byte(text) == pytest.approx(costs.mean())
    assert nano.bits_per_byte("") == 0 and len(nano.costs("")) == 0


def test_costs_say_what_compression_takes(nano, alice):
    text = alice[:4000]
    message = equalinfo.compress_message(text[:120], nano)
    assert nano.costs(text[:120]).sum() / 8 == pytest.approx(len(message), rel=0.1)
    assert nano.bits_per_byte(text, context=16) > nano.bits_per_byte(text)
    with pytest.raises(ValueError, match="context"):
        nano.costs(text, context=1000)


def test_a_lexicon_is_one_of_its_model(nano, tmp_path):
    lexicon = nano.lexicon(32, threads=1)
    assert (lexicon.kind, lexicon.model_id, lexicon.context) == ("window-code", nano.id, 32)
    path = tmp_path / "nano.lex"
    path.write_bytes(lexicon.to_bytes())
    assert equalinfo.Lexicon(path).id == pickle.loads(pickle.dumps(lexicon)).id == lexicon.id
