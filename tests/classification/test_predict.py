"""Encoding, batches, scores, answers and the GLUE server's files of sentence classification."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel

from workbench.classification.batches import TextCollator, check_length, encode_examples, set_length
from workbench.classification.predict import inspect_texts, predict_logits, write_predictions, write_submission
from workbench.classification.report import check_submission
from workbench.classification.scoring import class_weights, majority_shares, weighted_loss
from workbench.data.known_tasks import TASKS
from workbench.data.tasks import TaskData
from workbench.errors import UserError
from workbench.runs.metrics import label_scores


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b", "c", "d"]
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **names)


class Length(torch.nn.Module):
    """A classifier of two classes whose first logit is the number of tokens."""

    config = SimpleNamespace(num_labels=2, id2label={0: "long", 1: "short"})
    device = torch.device("cpu")

    def forward(self, attention_mask, **inputs):
        return SimpleNamespace(
            logits=torch.stack((attention_mask.sum(1).float(), torch.full((len(attention_mask),), 4.0)), 1)
        )


def data_of(name: str, labels: list[str]) -> TaskData:
    return TaskData(TASKS[name], {}, labels, [], None)


def encoded(examples: list[dict], tokenizer, max_length: int) -> list[dict]:
    return list(encode_examples(Dataset.from_list(examples), tokenizer, max_length))


def test_a_batch_is_padded_to_its_longest_and_pairs_are_told_apart(tokenizer):
    examples = [{"text": "a", "pair": "b c", "label": 1}, {"text": "a b c d", "pair": "d", "label": 0}]
    batch = TextCollator(tokenizer)(encoded(examples, tokenizer, 16))
    assert batch["input_ids"].tolist() == [[1, 4, 2, 5, 6, 2, 0, 0], [1, 4, 5, 6, 7, 2, 7, 2]]
    assert batch["attention_mask"][0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert batch["token_type_ids"][1].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert batch["labels"].tolist() == [1, 0] and batch["labels"].dtype == torch.int64
    numbers = TextCollator(tokenizer, is_regression=True)(encoded([{"text": "a", "label": 2.5}], tokenizer, 8))
    assert numbers["labels"].dtype == torch.float32
    cut = encoded([{"text": "a b c d"}], tokenizer, 4)[0]
    assert len(cut["input_ids"]) == cut["length"] == 4


def test_texts_are_answered_in_their_own_order(tokenizer):
    texts = [{"text": " ".join("abcd"[:size])} for size in (4, 1, 3, 1, 2)]
    logits = predict_logits(Length(), tokenizer, texts, 16, batch_size=2)
    assert logits[:, 0].tolist() == [6, 3, 5, 3, 4]
    answers = inspect_texts(Length(), tokenizer, texts, 16)
    assert [answer.label for answer in answers[:2]] == ["long", "short"]
    assert answers[0].probabilities["long"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert str(answers[0]) == "long 88%"


def test_rare_classes_weigh_more_in_the_loss():
    weights = class_weights(torch.tensor([0, 0, 0, 1]), 2)
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    logits, labels = torch.tensor([[1.0, 0.0], [0.5, 2.0]]), torch.tensor([0, 1])
    each = F.cross_entropy(logits, labels, reduction="none")
    loss = weighted_loss(weights)
    torch.testing.assert_close(loss({"logits": logits}, labels), (weights[labels] * each).sum() / 2)
    # Two halves of a batch, of two processes or accumulated, weigh as the whole: a weighted mean of each would not.
    halves = [loss({"logits": logits[rows]}, labels[rows], 2) for rows in ([0], [1])]
    torch.testing.assert_close(sum(halves), loss({"logits": logits}, labels, 2))
    assert loss({"logits": logits[:1]}, labels[:1]) == pytest.approx(weights[0].item() * each[0].item())


def test_scores_have_their_published_values():
    right, given = [1, 0, 0, 1, 2], [1, 0, 1, 1, 2]
    scores = label_scores(("accuracy", "macro_f1"), given, right)
    assert scores == pytest.approx({"accuracy": 0.8, "macro_f1": (2 / 3 + 0.8 + 1) / 3})
    assert label_scores(("spearman",), [1.0, 2.0, 9.0], [0.1, 0.2, 0.3])["spearman"] == pytest.approx(1)
    # The same answer to everything correlates with nothing; JSON has no NaN.
    assert label_scores(("pearson",), [1.0, 1.0, 1.0], [0.1, 0.2, 0.3]) == {"pearson": 0.0}


@pytest.mark.parametrize(("family", "most"), [("bert", 34), ("roberta", 32), ("mpnet", 32)])
def test_an_encoder_without_positions_for_so_many_tokens_is_told(family, most):
    """RoBERTa's and MPNet's positions begin behind the padding's, here the second."""
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9}
    model = AutoModel.from_config(AutoConfig.for_model(family, max_position_embeddings=34, pad_token_id=1, **size))
    assert check_length(most, model) == most
    model(input_ids=torch.full((1, most), 5))
    with pytest.raises(UserError, match=f"max_length: {most + 1} tokens; this encoder takes 4 to {most}"):
        check_length(most + 1, model)


def test_a_classifier_reads_as_much_as_it_was_trained_on(tokenizer):
    model, tokenizer = Length(), copy.deepcopy(tokenizer)
    set_length(6, model, tokenizer)
    long = [{"text": " ".join("abcdabcdabcd")}]
    assert inspect_texts(model, tokenizer, long) == inspect_texts(model, tokenizer, long, 6)
    assert inspect_texts(model, tokenizer, long) != inspect_texts(model, tokenizer, long, 12)


@pytest.mark.parametrize(
    ("task", "unlabelled", "says"),
    [
        ("rte", {"index": [0, 2]}, "rows of rte's test split are missing or broken"),
        ("rte", None, "rte has no test split of the GLUE server"),
        ("imdb", {"index": [0, 1]}, "imdb has no test split of the GLUE server"),
    ],
)
def test_half_a_submission_is_refused(task, unlabelled, says):
    with pytest.raises(UserError, match=says):
        check_submission(TaskData(TASKS[task], {}, [], [], unlabelled))


def test_predictions_are_a_table_that_stays_whole(tmp_path):
    examples = [{"text": "two\nlines\tand a tab", "label": 1}, {"text": "plain", "label": 0}]
    write_predictions(
        tmp_path / "p.tsv", examples, np.array([[0.0, 0.0], [3.0, 0.0]]), data_of("sst2", ["bad", "good"])
    )
    rows = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    assert rows[0] == ["text", "label", "prediction", "p(bad)", "p(good)"]
    assert rows[1] == ["two lines and a tab", "good", "bad", "0.5000", "0.5000"]
    assert rows[2] == ["plain", "bad", "bad", "0.9526", "0.0474"]


@pytest.mark.parametrize(
    ("task", "labels", "logits", "name", "rows"),
    [
        ("rte", ["entailment", "not_entailment"], [[1, 0], [0, 1]], "RTE.tsv", ["0\tentailment", "1\tnot_entailment"]),
        ("cola", ["unacceptable", "acceptable"], [[1, 0], [0, 1]], "CoLA.tsv", ["0\t0", "1\t1"]),
        ("stsb", [], [[-1.0], [3.14159]], "STS-B.tsv", ["0\t0.000", "1\t3.142"]),
        ("mnli_mismatched", ["a", "b", "c"], [[0, 0, 1]], "MNLI-mm.tsv", ["0\tc"]),
    ],
)
def test_a_submission_has_the_servers_name_and_labels(tmp_path, task, labels, logits, name, rows):
    path = write_submission(tmp_path, data_of(task, labels), np.array(logits, dtype=float))
    assert path.name == name
    assert path.read_text().splitlines() == ["index\tprediction", *rows]


def test_the_majority_is_the_training_splits_and_measured_on_each():
    splits = {"train": [1, 1, 0], "validation": [0, 0, 0, 1], "test": [2, 1]}
    shares = majority_shares({name: Dataset.from_dict({"label": labels}) for name, labels in splits.items()})
    assert shares == {"train": 2 / 3, "validation": 0.25, "test": 0.5}
