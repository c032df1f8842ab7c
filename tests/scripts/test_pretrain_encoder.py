"""pretrain_encoder.py: what it leaves is an encoder that others reuse, and it has seen nothing of the task."""

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from workbench.data.verbal_arithmetic import expressions
from workbench.data.written_sums import in_words, written_sums
from workbench.runs.results import RunResults


def test_the_sums_are_right_in_words_and_none_is_of_verbal_arithmetic():
    texts = written_sums()
    assert len(set(texts)) == len(texts) == 4118
    assert "forty plus two is forty two" in texts and "two minus forty is minus thirty eight" in texts
    assert not {text.split(" is ")[0] for text in texts} & set(expressions())
    assert [in_words(number) for number in (0, 20, 21, -13, 98)] == [
        *("zero", "twenty", "twenty one", "minus thirteen", "ninety eight")
    ]


@pytest.mark.slow
def test_a_short_training_leaves_an_encoder_that_has_learned_something(tmp_path, call):
    options = ("--output_dir", tmp_path / "run", "--hidden_size", 16, "--num_hidden_layers", 1, "--num_train_epochs", 8)
    code, printed = call("pretrain_encoder", *options, "--learning_rate", 1e-2)
    assert code == 0, printed.err
    scores = RunResults.read(tmp_path / "run").metrics["test"]
    # Of 36 words, guessing is right once in some 15 times.
    assert scores["accuracy"] > 0.2 and scores["loss"] < 3
    encoder, tokenizer = (kind.from_pretrained(tmp_path / "run") for kind in (AutoModel, AutoTokenizer))
    inputs = tokenizer(["four minus ten"], return_tensors="pt")
    assert tokenizer.unk_token_id not in inputs["input_ids"]
    with torch.no_grad():
        assert encoder(**inputs).last_hidden_state.shape == (1, 5, 16)


def test_a_wrong_share_is_one_line(call, tmp_path):
    for options in (
        ("--mask_probability", 1.5),
        ("--hidden_size", 63),
        ("--hidden_size", 0),
        ("--num_hidden_layers", -1),
    ):
        code, printed = call("pretrain_encoder", "--output_dir", tmp_path / "run", *options)
        assert code == 2 and printed.err.count("\n") == 1 and not (tmp_path / "run").exists()
