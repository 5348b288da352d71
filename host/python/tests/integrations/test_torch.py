import json
import subprocess

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

import equalinfo
from equalinfo.torch import IGNORE, M2, Config, TokenDataset

SEQUENCE = 128
# Models are small here, and the threads of a busy machine wait for each other.
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tool, alice, tmp_path_factory):
    """Shards of bytes, and the checkpoint of an M2 that the tool trained on them for a few steps."""
    directory = tmp_path_factory.mktemp("m2")
    (directory / "text.txt").write_bytes(alice[:40_000])
    shards, run = directory / "shards", directory / "run"
    options = ["--method", "bytes", "--layout", "stream", "--sequence", str(SEQUENCE), "--rows-per-shard", "100"]
    subprocess.run([tool, "tokenize", "-q", *options, "-o", shards, directory / "text.txt"], check=True)
    options = ["--preset", "tiny", "--steps", "40", "--batch", "8", "--optimizer", "adamw", "--device", "cpu"]
    subprocess.run([tool, "train", "m2", "-q", "--data", shards, *options, "-o", run], check=True)
    return shards, run / "checkpoint.safetensors"


def measured(tool, checkpoint, shards):
    """What the tool says of a checkpoint."""
    call = [tool, "eval", "m2", checkpoint, "--data", shards, "--device", "cpu", "--json"]
    return json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE).stdout)


def losses(model, shards):
    """Nats a token, over all rows."""
    nats, count = 0.0, 0
    for batch in DataLoader(TokenDataset(shards), batch_size=32):
        with torch.no_grad():
            nats += model.losses(batch["symbols"], batch["labels"]).double().sum().item()
        count += (batch["labels"] != IGNORE).sum().item()
    return nats / count


def test_losses_are_those_of_the_tool(trained, tool):
    shards, checkpoint = trained
    model = M2.load(checkpoint)
    figures = measured(tool, checkpoint, shards)
    found = losses(model, shards)
    assert 1 < found < 4, "the model has learned something"
    assert found == pytest.approx(figures["nats_per_token"], rel=2e-3), "up to the noise of bf16"
    row = TokenDataset(shards)[0]
    symbols, labels = row["symbols"][None], row["labels"][None]
    nats, all_of_it = model.losses(symbols, labels), model.loss(symbols, labels, z_loss=0)
    assert all_of_it.item() == pytest.approx(nats.mean().item(), rel=1e-5)
    assert model.loss(symbols, labels) > all_of_it


def test_the_tool_reads_what_is_saved(trained, tool, tmp_path):
    shards, checkpoint = trained
    loaded = M2.load(checkpoint)
    loaded.save(tmp_path / "loaded.safetensors", step=40)
    assert measured(tool, tmp_path / "loaded.safetensors", shards)["nats_per_token"] == pytest.approx(
        measured(tool, checkpoint, shards)["nats_per_token"], rel=1e-6
    )
    torch.manual_seed(1)
    fresh = M2(Config.preset("tiny", 256, SEQUENCE))
    with pytest.raises(equalinfo.ModelError, match="shards"):
        fresh.save(tmp_path / "fresh.safetensors")
    fresh.save(tmp_path / "fresh.safetensors", shards=shards)
    found = measured(tool, tmp_path / "fresh.safetensors", shards)["nats_per_token"]
    assert found == pytest.approx(losses(fresh, shards), rel=2e-3)
    again = M2.load(tmp_path / "fresh.safetensors")
    for mine, theirs in zip(fresh.parameters(), again.parameters()):
        assert torch.equal(mine, theirs)
    with pytest.raises(equalinfo.ModelError, match="format"):
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
        M2.load(tmp_path / "other.safetensors")


def test_positions_see_what_is_before_them():
    torch.manual_seed(1)
    model = M2(Config(layers=2, heads=2, feed_forward=64, context=40, vocabulary=50))
    torch.nn.init.normal_(model.layers[0].bias)
    symbols = torch.randint(50, (1, 40))
    logits = model(symbols)
    changed = symbols.clone()
    changed[0, 20] = (changed[0, 20] + 1) % 50
    difference = (model(changed) - logits).abs().amax(-1)[0]
    assert (difference[:20] < 1e-6).all() and (difference[20:] > 1e-6).all()
    assert torch.allclose(model(symbols[:, :25]), logits[:, :25], atol=1e-5)
    with pytest.raises(ValueError, match="at most 40"):
        model(torch.zeros(1, 41, dtype=torch.long))


def test_buckets_are_those_of_t5():
    model = M2(Config(layers=1, heads=1, feed_forward=8, context=300, vocabulary=4))
    for distance in range(300):
        expected = distance if distance < 16 else min(31, 16 + int(np.log(distance / 16) / np.log(8) * 16))
        assert model._buckets[299, 299 - distance] == expected, distance


def test_rows_are_dealt_to_workers_and_ranks(trained):
    shards, _ = trained
    dataset = TokenDataset(shards)
    row = dataset[3]
    assert row["symbols"][0] == 256 and torch.equal(row["symbols"][1:], row["labels"][:-1])
    last = dataset[len(dataset) - 1]
    count = int((last["labels"] != IGNORE).sum())
    assert (last["labels"][count:] == IGNORE).all() and (last["symbols"][count + 1 :] == 256).all()
    seen = []
    for rank in range(2):
        sampler = DistributedSampler(dataset, num_replicas=2, rank=rank, seed=3)
        for batch in DataLoader(dataset, batch_size=8, sampler=sampler, num_workers=2):
            seen += [row.numpy().tobytes() for row in batch["symbols"]]
    expected = {dataset[number]["symbols"].numpy().tobytes() for number in range(len(dataset))}
    assert set(seen) == expected and len(seen) - len(dataset) <= 1


def test_a_model_learns_and_samples(trained):
    shards, _ = trained
    torch.manual_seed(1)
    model = M2(Config.preset("tiny", 256, SEQUENCE))
    before = losses(model, shards)
    assert before == pytest.approx(np.log(256), abs=0.1), "begins nearly uniform"
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for step, batch in zip(range(60), DataLoader(TokenDataset(shards), batch_size=8, shuffle=True)):
        optimizer.zero_grad()
        model.loss(batch["symbols"], batch["labels"]).backward()
        optimizer.step()
    assert losses(model, shards) < before - 1.5
    seeded = lambda: torch.Generator().manual_seed(5)
    drawn = model.sample(b"Alice ", 30, top_p=0.9, generator=seeded())
    assert len(drawn) == 30 and drawn.max() < 256
    assert (drawn == model.sample(b"Alice ", 30, top_p=0.9, generator=seeded())).all()
    likeliest = model.sample([], 3, temperature=0)
    assert likeliest[0] == model(torch.tensor([[256]])).argmax()
    assert len(model.sample(b"a" * 120, 30)) == 8, "until the context is full"
    end = int(likeliest[0])
    assert len(model.sample([], 3, temperature=0, stop=end)) == 0, "until the document ends"


def test_ends_of_documents_are_learned(tool, alice, tmp_path):
    (tmp_path / "text.txt").write_bytes(alice[:20_000])
    options = ["--method", "bytes", "--lines", "--end-of-document", "--layout", "stream", "--sequence", str(SEQUENCE)]
    subprocess.run([tool, "tokenize", "-q", *options, "-o", tmp_path / "shards", tmp_path / "text.txt"], check=True)
    dataset = TokenDataset(tmp_path / "shards")
    row = dataset[0]
    assert row["symbols"][0] == 257 and (row["labels"] == dataset.shards.end).sum() > 0
    torch.manual_seed(1)
    model = M2(Config.preset("tiny", dataset.shards.vocabulary, SEQUENCE))
    model.save(tmp_path / "m2.safetensors", shards=dataset.shards)
    figures = measured(tool, tmp_path / "m2.safetensors", tmp_path / "shards")
    assert figures["nats_per_token"] == pytest.approx(losses(model, dataset.shards), rel=2e-3)
    assert figures["bits_per_end"] == pytest.approx(8, abs=1), "nothing has been learned yet"
