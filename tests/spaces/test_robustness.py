"""The Space `robustness`: a visitor changes a text, sees how, and what the models say before and after."""

import importlib
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from support import browsing
from support.encoder_folders import word_tokenizer, write_encoder
from support.running_spaces import COMMAND, SPACES, environment, running
from torch import nn
from transformers import AutoModelForSequenceClassification

from workbench.classification.loading import load_classifier
from workbench.classification.predict import inspect_texts
from workbench.robustness.catalogue import make_transforms

browser, page = browsing.browser, browsing.page
FOLDER = SPACES / "robustness"
MODULES = ("reading", "description", "loading", "classification", "changes", "cards", "app", "transforms")
LABELS = {0: "bad", 1: "<b>good</b>"}
TEXT = "It is not bad, and w5 w6 w7: W9 said it wonderfully, twice."
HOSTILE = browsing.HOSTILE
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> list[str]:
    """Two classifiers on a tiny encoder."""
    root, found = tmp_path_factory.mktemp("classifiers"), []
    encoder = write_encoder(root / "encoder")
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_pretrained(encoder, id2label=LABELS)
        nn.init.normal_(model.classifier.weight, std=0.5)
        model.save_pretrained(root / f"model{seed}")
        word_tokenizer().save_pretrained(root / f"model{seed}")
        found.append(str(root / f"model{seed}"))
    return found


@pytest.fixture(scope="module")
def space(folders, tmp_path_factory):
    names = dict(zip(("MODEL_ID", "SECOND_MODEL_ID"), folders, strict=True))
    with running(FOLDER, tmp_path_factory.mktemp("space") / "log.txt", **names) as served:
        yield served


@pytest.fixture
def modules(monkeypatch):
    """The Space's own modules, by name; forgotten again, as other Spaces have some of the same name."""
    monkeypatch.syspath_prepend(FOLDER)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in ("changes", "cards", "reading")})
    for name in [name for name in sys.modules if name.split(".")[0] in MODULES]:
        sys.modules.pop(name)


def test_the_api_changes_a_text_as_igpay_does_and_asks_every_model(space, folders):
    answer = space.call("transform", TEXT, ["contractions", "typos"], 1, 3)
    # In the order of the page.
    assert answer["text"] == make_transforms(["typos", "contractions"], 1.0, 3).transform(TEXT).text != TEXT
    rebuilt, reached = "", 0
    for change in answer["changes"]:
        assert TEXT[change["start"] : change["end"]] == change["before"]
        rebuilt += TEXT[reached : change["start"]] + change["after"]
        reached = change["end"]
    assert rebuilt + TEXT[reached:] == answer["text"]
    for folder, found in zip(folders, answer["models"].values(), strict=True):
        texts = [{"text": TEXT}, {"text": answer["text"]}]
        for when, expected in zip(("before", "after"), inspect_texts(*load_classifier(folder), texts, 64), strict=True):
            assert found[when]["label"] == expected.label
            assert found[when]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert space.endpoints() == {"/transform"}


def test_odd_input_is_answered_and_what_cannot_be_is_refused_in_words(space):
    for text in (HOSTILE, "🐷🐷", "\u202e", "123 !?", "א ב"):
        assert space.call("transform", text, ["homoglyphs", "whitespace", "order"][:1], 1, 0)["models"]
    assert space.call("transform", TEXT, ["typos"], 0, 0)["changes"] == []
    for given, says in (
        (("", ["typos"], 0.5, 0), "Please type a text"),
        ((TEXT, [], 0.5, 0), "Please choose a transform"),
        ((TEXT, ["synonyms"], 0.5, 0), "no transform 'synonyms'"),
        ((TEXT, ["typos"], 2, 0), "from 0 to 1"),
        ((TEXT, ["typos"], 0.5, 0.5), "whole number"),
        (("w2 " * 2_000, ["typos"], 0.5, 0), "at most 5,000"),
    ):
        with pytest.raises(RuntimeError, match=says):
            space.call("transform", *given)


def test_what_was_typed_is_text_and_marked_where_it_changed(modules):
    before = "<img src=x> & " + 'a wonderful "evening" ' * 9
    changed = modules.changes.change(before, ["typos"], 1.0, 0)
    shown = modules.cards.marked(changed)
    assert (
        "<img" not in shown and "&lt;img src=x&gt; &amp; " in shown and shown.count("<del>") == len(changed.edits) > 0
    )
    for start, end, put in changed.edits:
        assert f"<del>{before[start:end]}</del><ins>{put}</ins>".replace('"', "&quot;") in shown


def test_an_answer_that_changes_is_marked(modules):
    item = SimpleNamespace(name="one", is_number=False, max_length=64)
    answers = [
        SimpleNamespace(label=label, probabilities={"a": p, "b": 1 - p}, cut=False)
        for label, p in (("a", 0.9), ("b", 0.4))
    ]
    shown = modules.cards.card(item, *answers)
    assert "a → <mark>≠ b</mark>" in shown and "The answer changes." in shown and "90.0% → 40.0%" in shown
    assert "<mark>" not in modules.cards.card(item, answers[0], answers[0])


def test_a_space_without_a_model_says_so_in_one_line(refused):
    done = subprocess.run(COMMAND, cwd=FOLDER, env=environment(), capture_output=True, text=True, timeout=120)
    assert "MODEL_ID is not set" in refused(done)


def test_a_visitor_sees_the_changes_and_both_answers(page, space, folders):
    page.goto(space.url)
    result = page.locator("#result")
    result.locator(".bar").first.wait_for()
    page.get_by_label("Text", exact=True).fill(HOSTILE)
    page.get_by_label("typos").uncheck()
    result.get_by_text("Please choose a transform.").wait_for()
    for name in ("typos", "casing"):
        page.get_by_label(name).check()
    page.get_by_label("Seed").fill("3")
    expected = space.call("transform", HOSTILE, ["typos", "casing"], 0.5, 3)
    assert expected["changes"]
    count = len(expected["changes"])
    result.get_by_text(f"{count} places changed." if count > 1 else "1 place changed.").wait_for()
    came = [change["after"] for change in expected["changes"] if change["after"]]
    result.locator("ins", has_text=came[-1].split("<")[0][:12]).first.wait_for()
    assert result.locator("ins").all_inner_texts() == came
    assert result.locator("img, script, b b").count() == 0 and page.title() == "Robustness"
    for card, found in zip(result.locator(".cards .card").all(), expected["models"].values(), strict=True):
        before, after = (max(found[when]["probabilities"].values()) for when in ("before", "after"))
        text = card.inner_text()
        assert f"{before:.1%}" in text and f"{after:.1%}" in text
        flips = found["before"]["label"] != found["after"]["label"]
        assert card.locator("mark").count() == flips and ("The answer changes." in text) == flips
