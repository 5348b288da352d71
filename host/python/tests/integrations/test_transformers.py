import subprocess
import sys

import datasets
import pytest
import torch
from transformers import (
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    GPT2Config,
    GPT2LMHeadModel,
)

import equalinfo
from equalinfo.transformers import EqualInfoTokenizer

TEXTS = ["It was the best of times,", "", "it was the worst of times — naïve <|eos|> 漢字"]


@pytest.fixture(params=[{"bits": 16}, {"bits": 32, "context": 64}, {"bits": 16, "token_bits": 8}, None], ids=str)
def tokenizer(request):
    options = request.param
    if options is None:
        return EqualInfoTokenizer(tokenizer=equalinfo.Tokenizer.bytes(), model_max_length=512)
    return EqualInfoTokenizer.windows("nano", model_max_length=512, **options)


def test_ids_are_those_of_the_tokenizer(tokenizer):
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        assert ids == tokenizer.tokenizer.encode(text, bos=True).tolist()
        assert tokenizer.encode(text, add_special_tokens=False) == ids[1:]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.decode(ids) == "<|bos|>" + text
        tokens = tokenizer.tokenize(text)
        assert tokenizer.convert_tokens_to_ids(tokens) == ids[1:]
        assert tokenizer.convert_ids_to_tokens(ids[1:]) == tokens
        assert tokenizer.convert_tokens_to_string(tokens) == text
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    of_ours = tokenizer.tokenizer
    assert special == [of_ours.bos_id, of_ours.eos_id, of_ours.pad_id]
    assert (tokenizer.vocab_size, len(tokenizer)) == (of_ours.vocabulary, of_ours.vocab_size)
    assert len(tokenizer.get_vocab()) == of_ours.vocab_size


def test_no_text_spells_a_special_token_unless_that_is_asked(tokenizer):
    ids = tokenizer("<|eos|>", add_special_tokens=False)["input_ids"]
    assert tokenizer.eos_token_id not in ids and tokenizer.decode(ids, skip_special_tokens=True) == "<|eos|>"
    tokenizer.split_special_tokens = False
    assert tokenizer(["a<|eos|>"])["input_ids"][0][-1] == tokenizer.eos_token_id


def test_batches_are_padded_and_cut(tokenizer):
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    alone = [tokenizer(text)["input_ids"] for text in TEXTS]
    assert batch["attention_mask"].sum(1).tolist() == [len(ids) for ids in alone]
    for row, ids in zip(batch["input_ids"].tolist(), alone):
        assert row == ids + [tokenizer.pad_token_id] * (len(row) - len(ids))
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == TEXTS
    cut = tokenizer(TEXTS[2], truncation=True, max_length=6)["input_ids"]
    assert cut == alone[2][:6]
    # Also within a window.
    assert TEXTS[2].startswith(tokenizer.decode(cut, skip_special_tokens=True).rstrip("\ufffd"))
    tokenizer.add_eos_token = True
    assert tokenizer(TEXTS[0])["input_ids"] == alone[0] + [tokenizer.eos_token_id]
    mask = tokenizer(TEXTS[0], return_special_tokens_mask=True)["special_tokens_mask"]
    assert mask == [1] + [0] * len(alone[0][1:]) + [1]
    assert tokenizer(["a"], ["b"])["input_ids"] == [tokenizer("a")["input_ids"] + tokenizer("b")["input_ids"]]


def test_auto_tokenizer_takes_what_was_saved(tokenizer, tmp_path):
    tokenizer.add_eos_token = True
    tokenizer.save_pretrained(tmp_path)
    expected = tokenizer.tokenizer.encode("the best of times", bos=True).tolist()
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(again, EqualInfoTokenizer) and again.model_max_length == 512
    assert again("the best of times")["input_ids"] == expected
    again.save_pretrained(tmp_path / "again")
    # A program that knows nothing of this package.
    program = (
        "import sys; from transformers import AutoTokenizer;"
        "t = AutoTokenizer.from_pretrained(sys.argv[1], trust_remote_code=True);"
        "print(t('the best of times')['input_ids'])"
    )
    for folder in (tmp_path, tmp_path / "again"):
        printed = subprocess.run([sys.executable, "-c", program, folder], check=True, stdout=subprocess.PIPE).stdout
        assert printed.decode().splitlines()[-1] == str(expected)


def test_datasets_map_and_collate(tokenizer):
    rows = datasets.Dataset.from_dict({"text": [f"{text} {number}" for number in range(20) for text in TEXTS]})
    encode = lambda batch: tokenizer(batch["text"], truncation=True, max_length=64)
    encoded = rows.map(encode, batched=True, batch_size=7, remove_columns=["text"])
    split = rows.map(encode, batched=True, num_proc=2, remove_columns=["text"])
    assert encoded.column_names == ["input_ids", "attention_mask"] and split["input_ids"] == encoded["input_ids"]
    collate = DataCollatorForLanguageModeling(tokenizer, mlm=False)
    batch = next(iter(torch.utils.data.DataLoader(encoded, batch_size=8, collate_fn=collate)))
    padding = batch["input_ids"] == tokenizer.pad_token_id
    assert batch["input_ids"].shape == batch["labels"].shape and padding.any()
    assert (batch["labels"][padding] == -100).all()
    assert (batch["labels"][~padding] == batch["input_ids"][~padding]).all()
    assert (batch["attention_mask"] == ~padding).all()


def test_generate(tokenizer):
    torch.manual_seed(1)
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, **special))
    tokenizer.padding_side = "left"
    prompt = tokenizer(TEXTS[:2], padding=True, return_tensors="pt")
    made = model.generate(**prompt, max_new_tokens=9, do_sample=True, top_k=0)
    texts = tokenizer.batch_decode(made, skip_special_tokens=True)
    assert texts[0].startswith(TEXTS[0]) and len(texts) == 2
    assert "<|" not in "".join(texts)
