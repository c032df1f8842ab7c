"""Running text: what is translated, what stays, and how training examples look."""

import pytest
import torch
from datasets import Dataset

from custom_models import build_tokenizer
from workbench.data.pig_latin import to_pig_latin
from workbench.translation.examples import PairCollator, encode_pairs, score_continuations, score_words
from workbench.translation.text import TextTranslator, shortened

LETTERS = set("abcdefghijklmnopqrstuvwxyz-")


@pytest.fixture
def translator():
    """Translates by the rule, so that only the text around the words is tested; counts the words it was asked for."""

    def translate(words: list[str]) -> list[str]:
        translate.asked.extend(words)
        return [to_pig_latin(word) for word in words]

    translate.asked = []
    return TextTranslator(translate, LETTERS, longest=20)


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("Hello, World!", "Ellohay, Orldway!"),
        ("the air conditioning is working", "ethay airway onditioningcay isway orkingway"),
        ("IBM and I", "IBMWAY andway Iway"),
        ("don't  stop;\tit's (well-known).", "on'tday  opstay;\tit'sway (ellway-ownknay)."),
        ("We’re Jones's", "E’reway Onesjay's"),
        ("3 cafés, 日本 and <b>", "3 cafés, 日本 andway <bay>"),
        ("", ""),
        ("...!?", "...!?"),
    ],
)
def test_capitals_punctuation_and_spaces_stay(translator, text, translated):
    translated = translated.replace("Onesjay's", "Ones'sjay")
    assert list(translator.lines([text])) == [translated]


def test_words_that_cannot_be_read_are_left_and_remembered(translator):
    long_word = "x" * 10_000
    assert list(translator.lines([f"café {long_word} dog"])) == [f"café {long_word} ogday"]
    assert translator.left_out == {"café", long_word}


def test_lines_stream_and_repeated_words_are_translated_once(translator):
    def endless():
        while True:
            yield "to be or not to be"

    stream = translator.lines(endless(), at_once=10)
    assert [next(stream) for _ in range(3)] == ["otay ebay orway otnay otay ebay"] * 3
    assert sorted(translator.translate.asked) == ["be", "not", "or", "to"]


def test_a_model_that_knows_capitals_reads_them():
    translator = TextTranslator(lambda words: [word[::-1] for word in words], set("HausMy'"), longest=20)
    assert list(translator.lines(["Haus M'y"])) == ["suaH y'M"]


@pytest.fixture
def pairs():
    return Dataset.from_dict({"english": ["ab", "b"], "pig_latin": ["abway", "bay"]})


def test_encoder_decoder_examples_are_source_and_target(pairs):
    tokenizer = build_tokenizer(["abwy"])
    first, second = encode_pairs(pairs, tokenizer, "encoder-decoder")
    assert tokenizer.convert_ids_to_tokens(first["input_ids"]) == ["a", "b", "</s>"]
    assert tokenizer.convert_ids_to_tokens(first["labels"]) == ["a", "b", "w", "a", "y", "</s>"]
    batch = PairCollator(tokenizer.pad_token_id)([first, second])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["input_ids"][1, 2] == tokenizer.pad_token_id
    assert batch["labels"][1].tolist() == [*second["labels"], -100, -100]


def test_decoder_only_examples_hide_the_prompt_from_the_loss(pairs):
    tokenizer = build_tokenizer(["abwy"], "decoder-only")
    example = encode_pairs(pairs, tokenizer, "decoder-only")[1]
    assert tokenizer.convert_ids_to_tokens(example["input_ids"]) == ["<s>", "b", "<eop>", "b", "a", "y", "</s>"]
    assert example["labels"] == [-100, -100, -100, *example["input_ids"][3:]]


def test_a_word_counts_as_right_if_all_its_symbols_are_likeliest():
    labels = torch.tensor([[1, 2, -100], [1, 2, 0]])
    logits = 9.0 * torch.nn.functional.one_hot(torch.tensor([[1, 2, 0], [1, 0, 0]]), 3).float()
    scores = score_words(logits, labels)
    assert scores[:, 1].tolist() == [2, 3] and scores[:, 2].tolist() == [1, 0]
    expected = -logits.log_softmax(dim=-1)[0, [0, 1], [1, 2]].sum()
    assert scores[0, 0].item() == pytest.approx(expected.item())
    shifted = torch.cat((torch.full((2, 1), -100), labels), dim=1)
    padded = torch.cat((logits, torch.zeros(2, 1, 3)), dim=1)
    assert torch.equal(score_continuations(padded, shifted), scores)


def test_a_translation_that_does_not_end_is_cut_and_told():
    translator = TextTranslator(lambda words: ["ab" * 120 if word == "never" else word for word in words], LETTERS, 20)
    assert list(translator.lines(["it never ends"])) == [f"it {'ab' * 12}… ends"]
    assert translator.cut == {"never"} and not translator.left_out
    assert shortened("x" * 60, "y" * 15) == "x" * 60
