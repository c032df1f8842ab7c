"""The Space `classifier`: what it loads and refuses, what it answers, and what a visitor sees."""

import colorsys
import importlib
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import gradio
import httpx
import pytest
import torch
from huggingface_hub import HfApi
from peft import LoraConfig, get_peft_model
from support import browsing, loopback_hub
from support.bottleneck_models import adapt
from support.encoder_folders import word_tokenizer, write_encoder
from support.running_spaces import COMMAND, SPACES, environment, running
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from custom_models import SentenceEncoderConfig, SentenceEncoderForSequenceClassification
from workbench.classification.loading import load_classifier
from workbench.classification.predict import inspect_texts

hub, browser, page = loopback_hub.hub, browsing.browser, browsing.page
FOLDER, MODULES = SPACES / "classifier", ("reading", "description", "loading", "classification", "cards")
LABELS = {0: "bad", 1: "<b>fine</b>", 2: "good"}
TEXTS = [f"w{2 + number} w{7 + 3 * number % 50} w{11 + number}" for number in range(40)]
HOSTILE, TAG = browsing.HOSTILE, "<img src=x>"
pytestmark = pytest.mark.slow


def with_head(encoder: str, seed: int, **options):
    """The encoder with a random head whose classes all occur."""
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(encoder, id2label=LABELS, **options)
    nn.init.normal_(model.classifier.weight, std=0.5)
    return model


def save(model, folder: Path) -> str:
    model.save_pretrained(folder)
    if hasattr(model, "peft_config"):
        model.get_base_model().config.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, str]:
    """One run of each kind: a whole model, LoRA, bottleneck, and our sentence encoder."""
    root = tmp_path_factory.mktemp("classifiers")
    encoder = write_encoder(root / "encoder")
    lora = get_peft_model(with_head(encoder, 2), LoraConfig(task_type="SEQ_CLS", r=2))
    for key, parameter in lora.named_parameters():
        if "lora_" in key:
            nn.init.normal_(parameter, std=0.3)
    config = SentenceEncoderConfig(encoder_config=AutoConfig.from_pretrained(encoder), pooling="mean", id2label=LABELS)
    models = {
        "plain": with_head(encoder, 1),
        "lora": lora,
        "bottleneck": adapt(with_head(encoder, 3), task_type="SEQ_CLS"),
        "ours": SentenceEncoderForSequenceClassification(config),
    }
    return {"encoder": encoder} | {name: save(model, root / name) for name, model in models.items()}


@pytest.fixture(scope="module")
def references(folders) -> dict[str, list]:
    """What scripts/classify.py answers to TEXTS."""
    examples = [{"text": text} for text in TEXTS]
    names = ("plain", "lora", "bottleneck", "ours")
    return {name: inspect_texts(*load_classifier(folders[name]), examples, 128) for name in names}


@pytest.fixture
def modules(monkeypatch):
    """The Space's own modules, by name; forgotten again, as other Spaces have some of the same name."""
    monkeypatch.syspath_prepend(FOLDER)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in (*MODULES, "app", "door", "schemas", "sizes"):
        sys.modules.pop(name, None)


@pytest.fixture
def without_igpay(monkeypatch):
    monkeypatch.setitem(sys.modules, "custom_models.bottleneck", None)


@pytest.fixture(scope="module")
def space(folders, tmp_path_factory):
    """The page with two models, as the Hub starts it."""
    names = {"MODEL_ID": folders["plain"], "SECOND_MODEL_ID": folders["lora"]}
    with running(FOLDER, tmp_path_factory.mktemp("space") / "log.txt", **names) as served:
        yield served


def name_of(folder: str) -> str:
    return "/".join(Path(folder).parts[-2:])


@pytest.fixture
def differing(references) -> list[bool]:
    """Text by text, whether the page's two models differ; both happens."""
    both = zip(references["plain"], references["lora"], strict=True)
    differ = [first.label != second.label for first, second in both]
    assert 3 < sum(differ) < 37
    return differ


# What it loads and what it refuses


@pytest.mark.parametrize("name", ["plain", "lora", "bottleneck", "ours"])
def test_every_kind_of_run_is_answered_for_as_in_the_terminal(modules, folders, references, name):
    classifier = modules.classification.Classifier(folders[name], False)
    answers = classifier.answer([modules.reading.Example(text) for text in TEXTS])
    assert [answer.label for answer in answers] == [answer.label for answer in references[name]]
    for answer, expected in zip(answers, references[name], strict=True):
        assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "reason"), [("bottleneck", "add igpay to requirements.txt"), ("ours", "set TRUST_REMOTE_CODE=1")]
)
def test_without_igpay_its_own_kinds_say_what_they_need(modules, folders, without_igpay, name, reason):
    with pytest.raises(modules.loading.CannotLoadError, match=reason):
        modules.loading.load_model(folders[name], False)


def test_our_sentence_encoder_runs_its_own_code_if_the_owner_says_so(folders, references, tmp_path):
    code = """
import sys
sys.modules.update(custom_models=None, workbench=None)
from classification import Classifier
from reading import Example
print([answer.label for answer in Classifier(sys.argv[1], True).answer([Example(text) for text in sys.argv[2:]])])
"""
    command, variables = [sys.executable, "-c", code, folders["ours"], *TEXTS], environment(HF_MODULES_CACHE=tmp_path)
    done = subprocess.run(command, cwd=FOLDER, env=variables, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str([answer.label for answer in references["ours"]]), done.stderr


def test_an_adapter_from_the_hub_has_no_config_and_loads_all_the_same(modules, folders, references, tmp_path):
    """`publish.py` leaves it out: the head tells how many classes there are."""
    for path in Path(folders["lora"]).iterdir():
        if path.name != "config.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    answers = modules.classification.Classifier(str(tmp_path), False).answer([modules.reading.Example(TEXTS[0])])
    assert [*answers[0].probabilities] == ["LABEL_0", "LABEL_1", "LABEL_2"]
    expected = [*references["lora"][0].probabilities.values()]
    assert [*answers[0].probabilities.values()] == pytest.approx(expected, abs=1e-5)


def edited(source: str, folder: Path, name: str = "config.json", **changes) -> str:
    """A copy of a run with other fields in a JSON file; None removes one."""
    folder.mkdir()
    for path in Path(source).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    fields = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))
    return str(folder)


def test_a_private_adapter_and_its_encoder_come_from_the_hub(hub, modules, folders, references, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", hub.tokens.write)
    encoder = {"base_model_name_or_path": "tester/encoder"}
    sources = {"encoder": folders["encoder"], "lora": folders["lora"]}
    sources["lora"] = edited(folders["lora"], tmp_path / "lora", "adapter_config.json", **encoder)
    (tmp_path / "lora" / "training_args.bin").write_bytes(b"pickled")
    for name, folder in sources.items():
        HfApi().create_repo(f"tester/{name}", private=True)
        HfApi().upload_folder(repo_id=f"tester/{name}", folder_path=folder)
    classifier = modules.classification.Classifier("tester/lora", False)
    answers = classifier.answer([modules.reading.Example(text) for text in TEXTS])
    assert [answer.label for answer in answers] == [answer.label for answer in references["lora"]]
    assert classifier.name == "tester/lora" and not any(seen.path.endswith("args.bin") for seen in hub.exchanges)
    with pytest.raises(modules.loading.CannotLoadError, match="the Hub did not give such a model"):
        modules.loading.load_model("tester/none", False)


def test_what_could_run_code_or_answer_at_random_is_refused(modules, folders, tmp_path):
    plain, lora, ours = (folders[name] for name in ("plain", "lora", "ours"))
    kernels = {"_attn_implementation_internal": "someone/kernels"}
    adapter = "adapter_config.json"
    refused = {
        "'_attn_implementation_internal'": edited(plain, tmp_path / "1", **kernels),
        "'trust_remote_code' could run code": edited(ours, tmp_path / "2", encoder_config={"trust_remote_code": True}),
        "TRUST_REMOTE_CODE=1": edited(plain, tmp_path / "3", auto_map={"AutoConfig": "evil.Config"}),
        "this model brings its own code": edited(
            ours, tmp_path / "10", encoder_config={"auto_map": {"AutoConfig": "evil.C"}}
        ),
        "a BertModel, which is no trained": folders["encoder"],
        "lacks 2 weights, such as classifier.bias": edited(folders["encoder"], tmp_path / "4", architectures=None),
        "the encoder '/none/such', which cannot": edited(
            lora, tmp_path / "5", adapter, base_model_name_or_path="/none/such"
        ),
        "peft_type is 'NEW'": edited(lora, tmp_path / "6", adapter, peft_type="NEW"),
        "the `adapters` library": edited(lora, tmp_path / "7", adapter, peft_type=None),
        "no such folder": "/none/such",
    }
    (Path(edited(plain, tmp_path / "8")) / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{half")
    refused["cut short"] = str(tmp_path / "8")
    (Path(edited(plain, tmp_path / "9")) / "model.safetensors").rename(tmp_path / "9" / "pytorch_model.bin")
    refused["no weights .model.safetensors"] = str(tmp_path / "9")
    for reason, folder in refused.items():
        with pytest.raises(modules.loading.CannotLoadError, match=reason):
            modules.loading.load_model(folder, False)


def test_a_space_that_cannot_start_says_why_in_one_line(folders, refused):
    variables = environment(MODEL_ID=folders["bottleneck"])
    done = subprocess.run(COMMAND, cwd=FOLDER, env=variables, capture_output=True, text=True, timeout=120)
    assert re.search("error: MODEL_ID: .*bottleneck cannot be loaded: .*add igpay", refused(done))


@pytest.mark.parametrize(
    ("variables", "line"),
    [({}, "MODEL_ID is not set"), ({"MAX_LENGTH": "many"}, "MAX_LENGTH is 'many'"), ({"MAX_LENGTH": "8"}, None)],
)
def test_variables_are_checked_and_the_length_is_kept_to(modules, folders, monkeypatch, capsys, variables, line):
    app = importlib.import_module("app")
    monkeypatch.delenv("MODEL_ID", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv("MODEL_ID", folders["plain"])
        monkeypatch.setenv(name, value)
    if line is None:
        examples = [modules.reading.Example("w2 " * length) for length in (8, 9)]
        assert [answer.cut for answer in app.load("MODEL_ID").answer(examples)] == [False, True]
        return
    with pytest.raises(SystemExit) as stopped:
        app.main()
    assert stopped.value.code == 2 and line in capsys.readouterr().err


# What it reads


def test_tables_and_lines_become_texts_and_pairs(modules, tmp_path):
    reading = modules.reading
    assert reading.read_lines("one\r\n\r\n two \ttwo b\n\tno text\n") == [("one", None, None), ("two", "two b", None)]
    files = {
        "a.csv": ('label,Sentence\n1,"a, ""b""\nc"\n0,🐷\n,\n', [('a, "b"\nc', None, "1"), ("🐷", None, "0")]),
        "b.csv": ("\ufeffpremise;hypothesis;label\na;b;1\n", [("a", "b", "1")]),
        "c.tsv": ('index\tsentence1\tsentence2\n0\tan "open quote\tb\n1\tonly one\n', None),
        "quoted.tsv": (
            'label\ttext\n1\t"two\nlines ""b"""\n0\tc\n',
            [('two\nlines "b"', None, "1"), ("c", None, "0")],
        ),
        "d.csv": ("whatever\na\n", [("a", None, None)]),
        "index.csv": (",whatever,Sentiment\n0,a,good\n", [("a", None, "good")]),
        "e.txt": ("text,label\na", [("text,label", None, None), ("a", None, None)]),
    }
    for name, (content, expected) in files.items():
        (tmp_path / name).write_text(content)
        assert reading.read_file(tmp_path / name) == (
            expected or [('an "open quote', "b", None), ("only one", "", None)]
        )


def test_a_visitor_may_name_the_column_of_labels(modules, tmp_path):
    reading, file = modules.reading, tmp_path / "a.csv"
    file.write_text("text,label,Gold\na,1,good\n")
    assert reading.read_file(file) == [("a", None, "1")]
    assert reading.read_file(file, " gold ") == [("a", None, "good")]
    with pytest.raises(reading.InputError, match="no column 'golden'; there are text, label, Gold"):
        reading.read_file(file, "golden")
    file.with_suffix(".txt").write_text("a\n")
    with pytest.raises(reading.InputError, match="Plain lines have no columns"):
        reading.read_file(file.with_suffix(".txt"), "gold")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "there are none"),
        ("a.csv", b"text,label\n", "no texts"),
        ("a.csv", b"a,b\n1,2\n", "looks like the texts; there are a, b"),
        ("a.csv", b'text,label\n"never closed,1\n', "begins in line 2 of the file: unexpected end"),
        ("a.txt", b"a\nb\n\xff\n", "Line 3 of the file is not UTF-8"),
        ("a.txt", b"a" * 1_000_001, "1,000,001 bytes; at most 1,000,000"),
        ("a.txt", b"a\n" * 2_001, "2,001 texts; at most 2,000"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(modules, tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(modules.reading.InputError, match=reason):
        modules.reading.read_file(str(tmp_path / name))


# What it answers


def test_models_are_compared_only_where_their_labels_can_be(modules):
    comparable = modules.classification.comparable
    assert comparable([item("good", "bad"), item("Good", "fine", "bad")])
    assert not comparable([item("good", "bad"), item("entailment", "neutral")])
    assert not comparable([item("score"), item("score")]) and not comparable([item("good", "bad")])


def with_facts(folder: str, to: Path, card: str = "", **facts) -> str:
    """A copy of a run with such facts in its results, and perhaps such metadata in its card."""
    edited(folder, to)
    (to / "results.json").write_text(json.dumps({"facts": facts}))
    if card:
        (to / "README.md").write_text(f"---\n{card}\n---\n")
    return str(to)


def test_whether_a_model_takes_pairs_is_read_from_its_results_or_its_labels(modules, folders, tmp_path):
    description = modules.description
    single = Path(with_facts(folders["plain"], tmp_path / "1", dataset={"columns": ["text", "label"]}))
    paired = Path(with_facts(folders["plain"], tmp_path / "2", dataset={"columns": ["text", "pair", "label"]}))
    assert [description.takes_pairs(folder, ["good", "bad"]) for folder in (single, paired)] == [False, True]
    nothing = tmp_path / "3"
    assert description.takes_pairs(nothing, ["Entailment", "neutral"]) is True
    assert description.takes_pairs(nothing, ["good", "bad"]) is None
    for content in ("[]", "{", '{"facts": {"dataset": {"columns": "text"}}}', "[" * 9999):
        nothing.mkdir(exist_ok=True)
        (nothing / "results.json").write_text(content)
        assert description.takes_pairs(nothing, ["good", "bad"]) is None


def test_texts_to_try_come_from_the_card_or_the_results_and_suit_the_model(modules, folders, tmp_path):
    description = modules.description
    widget = "widget: [{text: w2 w3}, {text: w4, text_pair: w5}, {text: 7}, nothing]"
    folder = Path(with_facts(folders["plain"], tmp_path / "1", widget, examples=[["w9", "good", "bad"], [5], 6]))
    assert description.examples_of(folder, False) == [("w2 w3", None, None), ("w9", None, None)]
    assert description.examples_of(folder, True) == [("w4", "w5", None)]
    assert description.examples_of(tmp_path, True) == list(description.PAIRS)
    (tmp_path / "README.md").write_text("---\nwidget: {text: [}\n---\n")
    assert description.examples_of(tmp_path, None) == list(description.TEXTS)


@pytest.mark.parametrize(
    ("columns", "typed", "lines", "reason"),
    [
        (["text", "label"], ("w2", "w3"), "w2\nw3\tw4", "trained on single texts. Please leave the second text out"),
        (["text", "pair", "label"], ("w2", ""), "w2\tw3\nw4", "trained on pairs of texts. Please give the second text"),
    ],
)
def test_a_text_of_the_wrong_kind_is_refused_in_words(modules, folders, tmp_path, columns, typed, lines, reason):
    app = importlib.import_module("app")
    name = with_facts(folders["plain"], tmp_path / "run", dataset={"columns": columns})
    served = app.App([modules.classification.Classifier(name, False)])
    assert reason in served.show(*typed)
    with pytest.raises(gradio.Error, match=reason):
        served.classify(*typed)
    with pytest.raises(gradio.Error, match=f"Text 2: .*{reason}"):
        served.inspect(lines)
    good = [(example.text, example.pair or "") for example in served.examples()]
    assert all(served.classify(*example)["models"] for example in good)


def item(*labels, name="m", many=False):
    """What of a classifier is asked for when its answers are compared and scored."""
    return SimpleNamespace(labels=list(labels), name=name, is_number=len(labels) == 1, many=many, takes_pairs=None)


@pytest.fixture
def judged(modules):
    """Rows of two models with the labels of a file: (label, answer, answer) and how sure both are."""
    classification = modules.classification
    models = [item("bad", "good", name="one"), item("Bad", "Good", "fine", name="two")]

    def judge(*rows, models=models):
        def answers(place):
            shares = [{"a": row[3][place], "b": 0.0} for row in rows]
            return [classification.Answer(row[1 + place], s, False) for row, s in zip(rows, shares, strict=True)]

        for place, model in enumerate(models):
            model.answer = lambda examples, progress, place=place: answers(place)
            model.label_of = partial(classification.Classifier.label_of, model)
        examples = [modules.reading.Example(f"t{number}", None, row[0]) for number, row in enumerate(rows)]
        return models, classification.compare(models, examples)

    return judge


def test_labels_by_name_or_number_make_lists_of_what_is_wrong_the_surest_first(modules, judged):
    models, rows = judged(
        ("good", "good", "Good", (0.9, 0.9)),
        ("1", "good", "fine", (0.9, 0.6)),
        ("BAD", "good", "Bad", (0.8, 0.7)),
        ("0", "good", "Good", (0.6, 0.95)),
        ("bad", "good", "fine", (0.5, 0.6)),
        ("other", "good", "Good", (0.9, 0.9)),
    )
    assert [row.right for row in rows[:4]] == [[True, True], [True, False], [False, True], [False, False]]
    assert rows[5].right == [None, None]
    found = {title: [row.example.text for row in part] for title, part in modules.classification.lists(rows).items()}
    assert found == {
        "Right in one, wrong in the other": ["t2", "t1"],
        "Wrong in both": ["t3", "t4"],
        "All": [f"t{number}" for number in range(6)],
    }
    summary = modules.cards.summarise(models, rows)
    assert "one: 2 of 5 right (40.0%).\n1 not scored: one has no label other." in summary
    assert "two: 2 of 5 right (40.0%)." in summary
    tsv = [line.split("\t") for line in modules.cards.tab_separated(models, rows).splitlines()]
    assert tsv[0] == [
        "text",
        "pair",
        "label",
        "one",
        "one: sure",
        "one: right",
        "two",
        "two: sure",
        "two: right",
        "differ",
    ]
    assert tsv[2] == ["t1", "", "1", "good", "90.0%", "✓", "fine", "60.0%", "✗", "≠"]


def test_one_model_with_labels_lists_its_errors(modules, judged):
    rows = [("good", "bad", "", (0.6, 0)), ("good", "good", "", (0.9, 0)), ("good", "bad", "", (0.8, 0))]
    models, judged_rows = judged(*rows, models=[item("bad", "good", name="one")])
    found = modules.classification.lists(judged_rows)
    assert [row.example.text for row in found["Wrong"]] == ["t2", "t0"] and list(found) == ["Wrong", "All"]
    summary = modules.cards.summarise(models, judged_rows)
    assert summary == "one: 1 of 3 right (33.3%).\nThe commonest label, good, is that of 100.0%."


def test_what_cannot_be_scored_is_said(modules, judged):
    models, rows = judged(("3", "0.4", "", (0, 0)), models=[item("score", name="one")])
    assert "one is not scored: its answer is a number." in modules.cards.summarise(models, rows)
    assert list(modules.classification.lists(rows)) == ["All"]


def test_the_api_answers_a_text_and_a_pair_and_is_documented(space, folders, references, differing):
    for place in (differing.index(True), differing.index(False)):
        answer = space.call("classify", TEXTS[place], "")
        assert answer["differ"] is differing[place]
        for kind in ("plain", "lora"):
            expected, got = references[kind][place], answer["models"][name_of(folders[kind])]
            assert (got["label"], got["cut"]) == (expected.label, False)
            assert got["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    model, tokenizer = load_classifier(folders["plain"])
    (expected,) = inspect_texts(model, tokenizer, [{"text": "w2 w3", "pair": "w9"}], 128)
    got = space.call("classify", "w2 w3", "w9")["models"][name_of(folders["plain"])]
    assert got["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    named = httpx.get(f"{space.url}/gradio_api/info", timeout=60).json()["named_endpoints"]
    assert named.keys() == {"/classify", "/inspect"}
    assert all(len(endpoint["description"]) > 20 for endpoint in named.values())


def test_many_texts_are_compared_and_filtered_to_the_differences(space, differing):
    everything = space.call("inspect", "\n".join(TEXTS), False)
    assert [row["text"] for row in everything["rows"]] == TEXTS
    assert [row["differ"] for row in everything["rows"]] == differing
    assert f"agree on {40 - sum(differing)} of 40 texts" in everything["summary"]
    few = space.call("inspect", "\n".join(TEXTS), True)["rows"]
    assert [row["text"] for row in few] == [text for text, differ in zip(TEXTS, differing, strict=True) if differ]


def test_odd_input_is_answered_and_too_much_is_refused_in_words(space):
    for text in (HOSTILE, "🐷🐷", "\u202e", "\ud800", "\0", "123 !?"):
        assert space.call("classify", text, "")["differ"] in (True, False)
    long = space.call("classify", "w2 " * 600, "")["models"].values()
    assert [answer["cut"] for answer in long] == [True, True]
    assert "1 longer than what the models read" in space.call("inspect", "w2\n" + "w3 " * 2_000, False)["summary"]
    for empty in ("", " \n\t"):
        with pytest.raises(RuntimeError, match="Please type a text"):
            space.call("classify", empty, "")
        with pytest.raises(RuntimeError, match="There are no texts"):
            space.call("inspect", empty, False)
    with pytest.raises(RuntimeError, match="1,000,000 characters; at most 5,000"):
        space.call("classify", "w2 " * 333_333 + "w", "")
    with pytest.raises(RuntimeError, match="2,001 texts; at most 2,000"):
        space.call("inspect", "w2\n" * 2_001, False)
    assert len(space.call("inspect", "w2\n" * 2_000, False)["rows"]) == 2_000
    with pytest.raises(RuntimeError, match="1,200,000 characters; at most 1,000,000"):
        space.call("inspect", "w2\n" * 400_000, False)


# What a visitor sees


def test_a_visitor_types_and_sees_both_answers_marked_where_they_differ(page, space, folders, references, differing):
    page.goto(space.url)
    answers = page.locator("#answers")
    answers.locator(".bar").first.wait_for()
    box, agreed, disputed = page.get_by_label("Text", exact=True), differing.index(False), differing.index(True)
    box.fill("")
    answers.get_by_text("Please type a text.").wait_for()
    box.fill(TEXTS[agreed])
    answers.get_by_text("The models agree.").wait_for()
    assert answers.locator("mark").count() == 0
    box.fill(TEXTS[disputed])
    answers.get_by_text("The models differ.").wait_for()
    expected = [references[kind][disputed] for kind in ("plain", "lora")]
    assert answers.locator("mark").all_inner_texts() == [answer.label for answer in expected]
    assert answers.locator(".bar").count() == 6 and answers.locator("b b").count() == 0
    colours = answers.locator("mark, .bar:first-of-type i").evaluate_all(COLOURS)
    assert len(set(colours)) == 4 and not any(is_red(colour) for colour in colours)
    for card, answer in zip(answers.locator(".card").all(), expected, strict=True):
        assert f"{answer.probabilities[answer.label]:.1%}" in card.inner_text()
    page.get_by_label("Second text").fill("w9")
    paired = space.call("classify", TEXTS[disputed], "w9")["models"][name_of(folders["plain"])]
    share = paired["probabilities"][paired["label"]]
    answers.locator(".card").first.get_by_text(f"{share:.1%}").wait_for()
    widths = answers.locator(".bar i").evaluate_all("bars => bars.map(bar => bar.clientWidth)")
    assert max(widths) > 30 and page.title() == "Text classifier"


COLOURS = "parts => parts.map(part => getComputedStyle(part).backgroundColor)"


def is_red(colour: str) -> bool:
    """Whether the hue of `rgb(red, green, blue)` is within 20 degrees of red's."""
    hue, _, _ = colorsys.rgb_to_hsv(*(int(part) / 255 for part in re.findall(r"\d+", colour)[:3]))
    return min(hue, 1 - hue) < 20 / 360


def test_the_page_opens_with_an_answer_and_offers_more_texts(page, space, modules):
    page.goto(space.url)
    page.locator("#answers .bar").first.wait_for()
    texts = [example.text for example in modules.description.TEXTS]
    assert page.get_by_label("Text", exact=True).input_value() == texts[0]
    page.get_by_role("button", name=texts[2]).click()
    expected = space.call("classify", texts[2], "")["models"]
    for card, answer in zip(page.locator("#answers .card").all(), expected.values(), strict=True):
        card.get_by_text(f"{answer['probabilities'][answer['label']]:.1%}", exact=True).first.wait_for()


def test_a_model_of_single_texts_offers_no_second_one(page, folders, tmp_path):
    widget = "widget: [{text: w2 w3}]"
    name = with_facts(folders["plain"], tmp_path / "run", widget, dataset={"columns": ["text", "label"]})
    with running(FOLDER, tmp_path / "log.txt", MODEL_ID=name) as space:
        page.goto(space.url)
        page.locator("#answers .bar").first.wait_for()
        assert page.get_by_label("Text", exact=True).input_value() == "w2 w3"
        assert page.get_by_label("Second text").count() == 0


def open_inspect(page, space) -> None:
    """Opens the tab, and asks for nothing first."""
    page.goto(space.url)
    page.locator("#answers .card").first.wait_for()
    page.get_by_role("tab", name="Inspect").click()
    page.get_by_label("Texts", exact=True).wait_for()
    page.get_by_role("button", name="Inspect").click()
    page.get_by_text("There are no texts.").first.wait_for()


@pytest.mark.parametrize("page", ["phone"], indirect=True)
def test_a_visitor_inspects_pasted_lines(page, space, differing):
    open_inspect(page, space)
    page.get_by_label("Texts", exact=True).fill("\n".join([*TEXTS, HOSTILE]))
    page.get_by_role("button", name="Inspect").click()
    page.locator("#rows").get_by_text("All (41)", exact=True).click()
    rows = page.locator("#rows .table:visible tbody tr")
    rows.nth(40).wait_for()
    assert HOSTILE in rows.nth(40).inner_text() and page.locator("#rows img, #rows script").count() == 0
    marked = [rows.nth(place).locator("mark").count() > 0 for place in range(40)]
    assert marked == differing


def write_labelled(file: Path, references) -> dict[str, list[str]]:
    """A CSV in which the labels are the first model's, every third another, the last none; texts by what is wrong."""
    lines, lists = ["gold,sentence"], {"one": [], "both": []}
    for place, text in enumerate(TEXTS):
        answers = [references[kind][place].label for kind in ("plain", "lora")]
        gold = next(label for label in LABELS.values() if label != answers[0]) if place % 3 == 0 else answers[0]
        lines.append(f"{gold},{text}")
        wrong = sum(answer != gold for answer in answers)
        if wrong:
            lists["both" if wrong == 2 else "one"].append(text)
    file.write_text("\n".join([*lines, f"{TAG},{TEXTS[0]}"]) + "\n")
    assert all(lists.values())
    return lists


def test_a_visitor_sees_what_is_wrong_in_a_file_with_labels(page, space, folders, references, tmp_path):
    wrong = write_labelled(tmp_path / "mine.csv", references)
    browsing.upload(page, tmp_path / "mine.csv", lambda: open_inspect(page, space))
    page.get_by_label("Label column").fill("gold")
    page.get_by_role("button", name="Inspect").click()
    first = name_of(folders["plain"])
    page.locator("#summary", has_text=f"{first}: 26 of 40 right (65.0%).").wait_for()
    lines = page.locator("#summary small").inner_text().splitlines()
    assert lines[0] == f"{first}: 26 of 40 right (65.0%)." and lines[1].endswith(f" has no label {TAG}.")
    assert len(lines) == 6 and page.locator("#summary img, #rows img").count() == 0
    for title, texts in (("Right in one, wrong in the other", wrong["one"]), ("Wrong in both", wrong["both"])):
        page.locator("#rows").get_by_text(f"{title} ({len(texts)})", exact=True).click()
        shown = page.locator("#rows .table:visible")
        assert shown.count() == 1 and sorted(shown.locator("td.text").all_inner_texts()) == sorted(texts)
        marks = shown.locator("mark").all_inner_texts()
        assert len(marks) == 2 * len(texts)
        assert sum(mark.startswith("✗") for mark in marks) == len(texts) * (2 if "both" in title else 1)
    page.locator("#rows").get_by_text("All (41)", exact=True).click()
    assert page.locator("#rows .table:visible tbody tr").count() == 41


@pytest.mark.parametrize("page", ["desktop"], indirect=True)
def test_a_visitor_inspects_a_file_and_downloads(page, space, folders, differing, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("number,sentence\n" + "".join(f'1,"{text}"\n' for text in [*TEXTS, HOSTILE.replace('"', '""')]))
    browsing.upload(page, file, lambda: open_inspect(page, space))
    page.get_by_role("button", name="Inspect").click()
    rows = page.locator("#rows .table:visible tbody tr")
    rows.first.wait_for()
    wanted = [text for text, differ in zip(TEXTS, differing, strict=True) if differ]
    assert [text for text in rows.locator("td.text").all_inner_texts() if text in TEXTS] == wanted
    assert rows.locator("mark").count() == 2 * rows.count()
    page.locator("#rows").get_by_text("All (41)", exact=True).click()
    assert rows.count() == 41
    assert HOSTILE in rows.nth(40).inner_text() and page.locator("#rows img, #rows script").count() == 0
    with page.expect_download() as download:
        page.get_by_text("Download", exact=True).click()
    lines = [line.split("\t") for line in Path(download.value.path()).read_text().splitlines()]
    first, second = name_of(folders["plain"]), name_of(folders["lora"])
    assert lines[0] == ["text", "pair", first, f"{first}: sure", second, f"{second}: sure", "differ"]
    assert [line[0] for line in lines[1:] if line[-1] == "≠" and line[0] in TEXTS] == wanted and len(lines) == 42
    assert download.value.suggested_filename == "inspected.tsv"
