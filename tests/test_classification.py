"""Encoding, batches, scores, answers and the GLUE server's files of sentence classification."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from workbench.classification import (
    TextCollator,
    check_length,
    class_weights,
    encode_examples,
    inspect_texts,
    predict_logits,
    weighted_loss,
    write_predictions,
    write_submission,
)
from workbench.errors import UserError
from workbench.metrics import label_scores
from workbench.tasks import TASKS, TaskData


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


def test_a_batch_is_padded_to_its_longest_and_pairs_are_told_apart(tokenizer):
    examples = [{"text": "a", "pair": "b c", "label": 1}, {"text": "a b c d", "pair": "d", "label": 0}]
    batch = TextCollator(tokenizer)(encode_examples(examples, tokenizer, 16))
    assert batch["input_ids"].tolist() == [[1, 4, 2, 5, 6, 2, 0, 0], [1, 4, 5, 6, 7, 2, 7, 2]]
    assert batch["attention_mask"][0].tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert batch["token_type_ids"][1].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]
    assert batch["labels"].tolist() == [1, 0] and batch["labels"].dtype == torch.int64
    numbers = TextCollator(tokenizer, is_regression=True)(encode_examples([{"text": "a", "label": 2.5}], tokenizer, 8))
    assert numbers["labels"].dtype == torch.float32
    assert len(encode_examples([{"text": "a b c d"}], tokenizer, 4)[0]["input_ids"]) == 4


def test_texts_are_answered_in_their_own_order(tokenizer):
    texts = [{"text": " ".join("abcd"[:size])} for size in (4, 1, 3, 1, 2)]
    logits = predict_logits(Length(), tokenizer, texts, 16, batch_size=2)
    assert logits[:, 0].tolist() == [6, 3, 5, 3, 4]
    answers = inspect_texts(Length(), tokenizer, texts, 16)
    assert [answer.label for answer in answers[:2]] == ["long", "short"]
    assert answers[0].probabilities["long"] == pytest.approx(1 / (1 + np.exp(-2)))
    assert str(answers[0]) == "long 88%"


def test_rare_classes_weigh_more_in_the_loss():
    weights = class_weights([0, 0, 0, 1], 2)
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    logits, labels = torch.tensor([[1.0, 0.0], [0.5, 2.0]]), torch.tensor([0, 1])
    each = F.cross_entropy(logits, labels, reduction="none")
    expected = (weights * each).sum() / weights.sum()
    torch.testing.assert_close(weighted_loss(weights)({"logits": logits}, labels), expected)


def test_scores_have_their_published_values():
    right, given = [1, 0, 0, 1, 2], [1, 0, 1, 1, 2]
    scores = label_scores(("accuracy", "macro_f1"), given, right)
    assert scores == pytest.approx({"accuracy": 0.8, "macro_f1": (2 / 3 + 0.8 + 1) / 3})
    assert label_scores(("spearman",), [1.0, 2.0, 9.0], [0.1, 0.2, 0.3])["spearman"] == pytest.approx(1)
    # The same answer to everything correlates with nothing; JSON has no NaN.
    assert label_scores(("pearson",), [1.0, 1.0, 1.0], [0.1, 0.2, 0.3]) == {"pearson": 0.0}


def test_an_encoder_without_positions_for_so_many_tokens_is_told(tokenizer):
    bert = SimpleNamespace(config=SimpleNamespace(model_type="bert", max_position_embeddings=512))
    roberta = SimpleNamespace(config=SimpleNamespace(model_type="roberta", max_position_embeddings=514))
    assert check_length(512, bert, tokenizer) == 512
    with pytest.raises(UserError, match="max_length: 513 tokens; this encoder takes 4 to 512"):
        check_length(513, bert, tokenizer)
    with pytest.raises(UserError, match="4 to 512"):
        check_length(513, roberta, SimpleNamespace(pad_token_id=1))


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
