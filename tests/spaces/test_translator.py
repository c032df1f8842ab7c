"""The Space `translator` as a visitor meets it: over the API, and in a real browser where there is one."""

import importlib
import itertools
import json
import os
import re
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import gradio
import httpx
import pytest
from gradio_client import Client
from support import browsing
from support.browsing import HOSTILE, choose, upload
from support.published_runs import FACTS, write_run
from support.running_spaces import JSON, SPACES, Space, running

from workbench.data.pig_latin import to_pig_latin
from workbench.data.words import english_words
from workbench.translation.decoding import text_translator
from workbench.translation.model import load_translator
from workbench.translation.text import TextTranslator, restore_apostrophe, restore_capitals

WORDS = [first + second for first in ("b", "st", "qu", "pl", "") for second in ("at", "end", "ill", "op", "um", "ask")]
TINY = ["--hidden_size", 32, "--encoder_layers", 1, "--decoder_layers", 1, "--num_attention_heads", 2]
FAST = [*TINY, "--intermediate_size", 32, "--train_batch_size", 8, "--dropout", 0, "--warmup_steps", 5]
# Three words of validation say little of which epoch is best.
FAST += ["--attention_dropout", 0, "--learning_rate", 3e-3, "--load_best_model_at_end", "false"]
# The page takes the names from there, and the decoder-only model has two layers to choose from.
FAST += ["--source_column", "english", "--target_column", "pig_latin"]
DEEPER = {"encoder-decoder": [], "decoder-only": ["--decoder_layers", 2]}
MODULES = ("languages", "translation", "cards", "app")
browser, page = browsing.browser, browsing.page
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Both architectures, each after learning thirty words."""
    folder = tmp_path_factory.mktemp("models")
    file = folder / "pairs.tsv"
    file.write_text("english\tpig_latin\n" + "".join(f"{word}\t{to_pig_latin(word)}\n" for word in WORDS))
    import train_translator

    for architecture in ("encoder-decoder", "decoder-only"):
        arguments = ["--train_file", file, "--num_train_epochs", 120, "--output_dir", folder / architecture]
        with pytest.MonkeyPatch.context() as patch:
            command = ["train_translator.py", *arguments, *FAST, "--architecture", architecture]
            command += DEEPER[architecture]
            patch.setattr(sys, "argv", list(map(str, command)))
            train_translator.main()
    return {architecture: folder / architecture for architecture in ("encoder-decoder", "decoder-only")}


@pytest.fixture(scope="module")
def references(models) -> dict[str, TextTranslator]:
    """What the scripts make of the same text with the same models."""
    return {name: text_translator(*load_translator(str(folder))) for name, folder in models.items()}


@pytest.fixture(scope="module")
def mistaken(references) -> str:
    """A word that the encoder-decoder gets wrong, at a length that ends."""
    candidates = [first + second for first in WORDS for second in WORDS]
    written = references["encoder-decoder"].translate(candidates)
    wrong = (word for word, answer in zip(candidates, written, strict=True) if answer != to_pig_latin(word))
    return next(word for word in wrong if word)


@pytest.fixture(scope="module")
def translator(models, tmp_path_factory):
    names = {"MODEL_ID": models["encoder-decoder"], "DECODER_ONLY_MODEL_ID": models["decoder-only"]}
    with running(SPACES / "translator", tmp_path_factory.mktemp("space") / "log.txt", **names) as space:
        yield space


@pytest.fixture
def modules(monkeypatch):
    """The Space's own modules, by name; forgotten again, as other Spaces have some of the same name."""
    monkeypatch.syspath_prepend(SPACES / "translator")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
    for name in (*MODULES, "loading", "door", "schemas", "sizes", "piglatin"):
        sys.modules.pop(name, None)


def test_the_spaces_rule_and_capitals_are_those_of_the_scripts(modules):
    ours = modules.translation
    words = [*english_words(3000), "well-known", "qu", "y", "squ", "my", "yes", "rhythm"]
    assert [ours.to_pig_latin(word) for word in words] == [to_pig_latin(word) for word in words]
    for word, answer in (
        ("Don't", "ontday"),
        ("STREET", "eetstray"),
        ("I", "iway"),
        ("we’re", "erewway"),
        ("a", "way"),
    ):
        expected = restore_capitals(word, restore_apostrophe(word, answer))
        assert ours.restore(word, answer) == expected


def test_both_models_answer_as_the_scripts_do_and_mistakes_are_named(translator, references, mistaken):
    text = f"Quill, stop! BEND {mistaken}; Zebra naïve\n  {WORDS[0]}?"
    answers = translator.call("translate", text)
    assert list(answers) == ["encoder-decoder", "decoder-only"]
    for name, reference in references.items():
        assert answers[name]["translation"] == "\n".join(reference.lines(text.split("\n")))
    written = references["encoder-decoder"].translate([mistaken])[0]
    assert [written, to_pig_latin(mistaken)] in answers["encoder-decoder"]["differs"]
    assert f"{written} (rule: {to_pig_latin(mistaken)})" in answers["encoder-decoder"]["notes"]
    assert "unknown to the model: Zebra, naïve." in answers["encoder-decoder"]["notes"]


def test_the_models_learned_what_the_page_shows(references):
    for reference in references.values():
        right = [answer == to_pig_latin(word) for word, answer in zip(WORDS, reference.translate(WORDS), strict=True)]
        assert sum(right) >= 24


def test_fifty_requests_at_once_are_all_answered_correctly(translator, references, capsys):
    texts = [f"{first.capitalize()} {second}, {index}!" for index, (first, second) in enumerate(pairs(references, 50))]
    expected = [{name: next(reference.lines([text])) for name, reference in references.items()} for text in texts]

    def timed(text: str):
        started = time.perf_counter()
        answer = translator.call("translate", text)
        return {name: part["translation"] for name, part in answer.items()}, time.perf_counter() - started

    with ThreadPoolExecutor(50) as pool:
        answers, seconds = zip(*pool.map(timed, texts), strict=True)
    cuts = statistics.quantiles(seconds, n=100)
    with capsys.disabled():
        machine = f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores"
        print(f"\n50 requests at once: p50 {cuts[49]:.2f} s, p95 {cuts[94]:.2f} s ({machine})")
    assert list(answers) == expected


def pairs(references, count: int) -> list[tuple[str, str]]:
    """Different pairs of words to whose translations both models find an end: the page stops looking sooner."""
    words = [
        word for word in WORDS if all(len(r.translate([word])[0]) < 2 * len(word) + 8 for r in references.values())
    ]
    return list(itertools.islice(((first, second) for second in words for first in words), count))


def test_odd_input_comes_back_as_text_and_too_much_is_refused_in_words(translator):
    for text in ("", "   ", "123 !?", "🐷🐷", "\u202e", "\ud800"):
        answer = translator.call("translate", text)["encoder-decoder"]
        assert answer["translation"] == text.replace("\ud800", "?") and answer["notes"] == ""
    with pytest.raises(RuntimeError, match="1,000,000 characters; at most 5,000"):
        translator.call("translate", "stop " * 200_000)
    long = "stop" * 1000
    assert translator.call("translate", long)["decoder-only"]["translation"] == long
    with pytest.raises(RuntimeError, match="one word"):
        translator.call("attention", "two words")
    with pytest.raises(RuntimeError, match="does not know"):
        translator.call("attention", "zebra")


def test_attention_covers_source_and_output_layer_by_layer(translator, references):
    for name, answer in translator.call("attention", "Quill").items():
        assert answer["translation"] == references[name].translate(["quill"])[0]
        assert [symbol for symbol in answer["source"] if len(symbol) == 1] == list("quill")
        assert answer["output"] == [*answer["translation"], "</s>"]
        assert len(answer["layers"]) == {"encoder-decoder": 1, "decoder-only": 2}[name]
        weights = answer["layers"][-1]
        assert len(weights) == len(answer["output"]) and {len(row) for row in weights} == {len(answer["source"])}
        if name == "encoder-decoder":
            assert [sum(row) for row in weights] == pytest.approx([1] * len(weights), abs=1e-4)


def test_a_file_of_a_megabyte_is_translated_and_bad_files_are_refused_in_words(translator, references, tmp_path):
    file = tmp_path / "book.txt"
    line = "Stop, <b>bill</b>! The zoo; plum quill.\r\n"
    file.write_bytes(("\ufeff" + line * (1_000_000 // len(line) - 1)).encode())
    answer, notes = translator.call("translate_file", translator.upload(file), "encoder-decoder")
    written = httpx.get(answer["url"], timeout=60).content.decode()
    expected = next(references["encoder-decoder"].lines([line.strip()]))
    assert written == f"{expected}\r\n" * (1_000_000 // len(line) - 1)
    assert Path(answer["path"]).name == "book.pig.txt" and "The, zoo" in notes
    file.write_bytes(b"stop\nbill\n\xff\n")
    with pytest.raises(RuntimeError, match="Line 3 of the file is not UTF-8"):
        translator.call("translate_file", translator.upload(file), "encoder-decoder")
    file.write_bytes(b"stop " * 200_001)
    with pytest.raises(RuntimeError, match="1,000,005 bytes; at most 1,000,000"):
        translator.call("translate_file", translator.upload(file), "encoder-decoder")
    with pytest.raises(RuntimeError, match="choose a text file"):
        translator.call("translate_file", None, "encoder-decoder")


def test_the_endpoints_are_named_and_documented(translator):
    assert translator.endpoints() == {"/translate", "/attention", "/translate_file"}


def fill(space: Space, file: dict) -> httpx.Response:
    """Asks for the same long work until the queue takes no more; returns the refusal."""
    with httpx.Client(base_url=f"{space.url}/gradio_api", timeout=60) as client:
        for _ in range(100):
            body = json.dumps({"data": [file, "encoder-decoder"]})
            answer = client.post("/call/translate_file", content=body, headers=JSON)
            if answer.status_code != 200:
                return answer
    raise AssertionError("the queue has no bound")


def test_a_full_queue_is_said_to_clients_and_visitors(models, page, tmp_path):
    letters = "abdeiklmnopqstu"
    words = itertools.islice(map("".join, itertools.product(letters, repeat=6)), 0, None, 570)
    (tmp_path / "long.txt").write_text(" ".join(itertools.islice(words, 19_900)))
    with running(SPACES / "translator", tmp_path / "log.txt", MODEL_ID=models["encoder-decoder"]) as space:
        client = Client(space.url, verbose=False)
        open_page(page, space)
        file = space.upload(tmp_path / "long.txt")
        refusal = fill(space, file)
        assert refusal.status_code == 503 and "Queue is full. Max size is 64" in refusal.json()["detail"]
        with pytest.raises(Exception, match="Queue is full! Please try again."):
            client.predict("stop", api_name="/translate")
        fill(space, file)
        page.get_by_label("English").fill("stop")
        page.get_by_text("This application is currently busy. Please try again.").first.wait_for()


def test_one_model_alone_makes_one_card(models, browser, tmp_path):
    with running(SPACES / "translator", tmp_path / "log.txt", MODEL_ID=models["encoder-decoder"]) as space:
        assert list(space.call("translate", "stop")) == ["encoder-decoder"]
        page = browser.new_page()
        page.goto(space.url)
        page.locator("#answers .card").first.wait_for()
        assert page.locator("#answers .card").count() == 1
        assert not page.get_by_label("Model").is_visible()
        page.close()


def open_page(page, space: Space) -> None:
    """Opens the translator and waits for its first answer: only then does the page listen."""
    page.goto(space.url)
    page.locator("#answers .card").first.wait_for()


def test_a_visitor_types_and_sees_translations_with_mistakes_marked(page, translator, references, mistaken):
    open_page(page, translator)
    box, cards = page.get_by_label("English"), page.locator("#answers .card")
    box.fill("")
    box.press_sequentially("Stop", delay=30)
    page.locator("#answers p", has_text=next(references["encoder-decoder"].lines(["Stop"]))).first.wait_for()
    box.fill(f"stop {mistaken} zebra")
    box.press("Enter")
    written = references["encoder-decoder"].translate([mistaken])[0]
    cards.first.locator("mark", has_text=re.compile(f"^{written}$")).wait_for()
    assert f"(rule: {to_pig_latin(mistaken)})" in cards.first.inner_text()
    assert cards.first.locator("u").inner_text() == "zebra"
    assert cards.count() == 2 and "decoder-only" in cards.last.inner_text()
    page.get_by_role("button", name="Quiet squirrels don't yodel.").click()
    page.locator("#answers u", has_text="squirrels").first.wait_for()
    assert "Loaded: encoder-decoder (encoder-decoder), decoder-only (decoder-only)" in page.locator("body").inner_text()


def test_what_a_visitor_types_is_text_and_never_code(page, translator):
    open_page(page, translator)
    box = page.get_by_label("English")
    box.fill(HOSTILE)
    answer = page.locator("#answers p", has_text="🐷").first
    answer.wait_for()
    assert "<script>" in answer.inner_text() or "script" in answer.locator("u").first.inner_text()
    assert "${1+1}" in answer.inner_text() and "{{value}}" in answer.inner_text()
    assert answer.locator("script, img").count() == 0 and page.title() == "Pig Latin translator"
    box.fill("stop " * 200_000)
    page.locator("#answers", has_text="1,000,000 characters; at most 5,000").wait_for()
    box.fill("")
    page.locator("#answers p", has_text=re.compile("^$")).first.wait_for(state="attached")


def open_maps(page, word: str) -> None:
    """Waits until the maps are those of a word: their columns are its letters."""
    letters = page.locator("#maps .card:first-child .column:not(.special)")
    expected = json.dumps(list(word))
    page.wait_for_function(
        f"[...document.querySelectorAll('#maps .card')].length && {expected}.join() === "
        "[...document.querySelectorAll('#maps .card:first-child .column:not(.special)')].map(e => e.innerText).join()"
    )
    assert letters.all_inner_texts() == list(word)


def test_the_attention_shown_is_always_that_of_a_word_in_the_text(page, translator, references):
    open_page(page, translator)
    page.get_by_label("English").fill("stop quill zebra")
    open_maps(page, "quill")
    written = [reference.translate(["quill"])[0] for reference in references.values()]
    titles = page.locator("#maps b").all_inner_texts()
    assert titles == [f"{name}: {word}" for name, word in zip(references, written, strict=True)]
    page.get_by_label("English").fill("stop bill quill")
    page.locator("#answers p", has_text=written[0]).first.wait_for()
    choose(page, "Word to look into", "stop")
    open_maps(page, "stop")
    page.get_by_label("English").fill("bend")
    open_maps(page, "bend")
    page.get_by_label("English").fill("zebra")
    page.locator("#maps", has_text="characters that it does not know").wait_for()
    assert page.locator("#maps .map").count() == 0
    page.get_by_label("English").fill("")
    page.locator("#maps", has_text="Type a word to see where the model looks").wait_for()


def test_of_several_layers_one_map_is_shown_and_can_be_chosen(page, translator):
    open_page(page, translator)
    page.get_by_label("English").fill("quill")
    open_maps(page, "quill")
    answer = translator.call("attention", "quill")["decoder-only"]
    deep = page.locator("#maps .card").last
    for layer in (1, 2):
        deep.get_by_text(f"layer {layer}", exact=True).click()
        shown = deep.locator(".map:visible")
        assert shown.count() == 1 and shown.get_attribute("aria-label") == f"Attention in layer {layer}"
        weights = [round(weight, 2) for row in answer["layers"][layer - 1] for weight in row]
        cells = shown.locator("i").evaluate_all("cells => cells.map(cell => [Number(cell.title), cell.clientWidth])")
        assert [weight for weight, _ in cells] == pytest.approx(weights, abs=0.011)
        assert all(width >= 13 for _, width in cells)
    assert page.locator("#maps .card").first.locator(".map:visible").count() == 1
    assert page.locator("#maps .card").first.get_by_text("layer 1").count() == 0


def test_a_visitor_copies_a_translation(page, translator, references):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_page(page, translator)
    page.get_by_label("English").fill("Stop,  quill!\nzebra")
    page.locator("#answers u", has_text="zebra").first.wait_for()
    page.get_by_role("button", name="Copy").last.click()
    page.get_by_role("button", name="Copied").wait_for()
    expected = "\n".join(references["decoder-only"].lines(["Stop,  quill!", "zebra"]))
    assert page.evaluate("navigator.clipboard.readText()") == expected


def test_nothing_empty_is_shown_before_there_is_something_in_it(page, translator):
    open_page(page, translator)
    page.locator("#maps .map").first.wait_for()
    boxes = page.locator("textarea:visible, input:is([role=listbox], [role=combobox]):visible")
    assert boxes.count() == 2 and all(box.input_value() for box in boxes.all())
    assert all(part.inner_text().strip() for part in page.locator(".card:visible").all())
    page.get_by_role("tab", name="File").click()
    page.get_by_role("button", name="Translate file").wait_for()
    assert page.get_by_label("How it went").count() == 0 and page.get_by_text("Download", exact=True).count() == 0


def open_files(page, translator) -> None:
    open_page(page, translator)
    page.get_by_role("tab", name="File").click()
    page.get_by_role("button", name="Translate file").wait_for()


def test_a_visitor_uploads_a_file_and_downloads_its_translation(page, translator, references, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("Stop, quill!\nplum\n")
    upload(page, file, lambda: open_files(page, translator))
    page.get_by_role("button", name="Translate file").click()
    page.get_by_label("How it went").wait_for()
    assert "rule" in page.get_by_label("How it went").input_value()
    with page.expect_download() as download:
        page.get_by_text("Download", exact=True).click()
    expected = "\n".join(references["encoder-decoder"].lines(["Stop, quill!", "plum"])) + "\n"
    assert Path(download.value.path()).read_text() == expected
    assert download.value.suggested_filename == "lines.pig.txt"


# What else it can speak


def write_model(folder: Path, tags: list[str] | None = None, **dataset) -> str:
    """An untrained model's folder with a data set's facts in its results, and perhaps a card."""
    write_run(folder, facts=FACTS | {"dataset": dataset})
    if tags:
        (folder / "README.md").write_text(f"---\ntags: {json.dumps(tags)}\n---\n")
    return str(folder)


@pytest.mark.parametrize(
    ("dataset", "tags", "title", "source"),
    [
        ({"columns": ["icelandic_word", "phones"]}, None, "Icelandic word → phones", "Icelandic word"),
        ({"columns": ["source", "target"], "name": "pairs.tsv"}, ["igpay"], "Word → translation", "Word"),
        ({"columns": ["source", "target"]}, ["igpay", "pig-latin"], "Pig Latin translator", "English"),
        ({"columns": ["english", "pig_latin"], "generated": True}, None, "Pig Latin translator", "English"),
        ({"columns": [1, "<b>"], "name": None}, None, "Word → translation", "Word"),
        ({"columns": {"a": "b"}}, None, "Word → translation", "Word"),
    ],
)
def test_the_page_is_named_after_what_the_model_was_trained_on(modules, tmp_path, dataset, tags, title, source):
    languages = modules.languages.read_languages(Path(write_model(tmp_path / "run", tags, **dataset)))
    assert (languages.title, languages.source) == (title, source)
    if not languages.is_pig_latin:
        assert languages.examples == tuple(row[0] for row in FACTS["examples"])


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"facts": 1}', '{"facts": {"dataset": [], "examples": {}}}', "[" * 9999]
)
def test_results_that_tell_nothing_leave_neutral_words(modules, tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    (tmp_path / "README.md").write_text("---\ntags: [pig-latin\n---\n")
    assert modules.languages.read_languages(tmp_path) == modules.languages.Languages()


def test_models_of_unlike_languages_have_neutral_words(modules):
    languages = modules.languages
    first, second = languages.Languages("English", "Pig Latin"), languages.Languages("English", "phones")
    assert languages.shared([first, second]) == languages.Languages()
    assert languages.shared([first, first._replace(examples=("stop",))]) == first


def test_no_rule_is_held_against_other_languages(page, tmp_path):
    name = write_model(tmp_path / "run", columns=["icelandic", "phones"])
    with running(SPACES / "translator", tmp_path / "log.txt", MODEL_ID=name) as space:
        answer = space.call("translate", "street apple")["encoder-decoder"]
        assert answer["differs"] == [] and answer["notes"] == ""
        open_page(page, space)
        assert page.title() == "Icelandic → phones" and page.get_by_label("Icelandic").input_value() == "street"
        page.locator("#maps .map").first.wait_for()
        assert page.locator("#answers mark").count() == 0
        assert "Pig Latin" not in page.locator("body").inner_text()


# What it keeps


@pytest.fixture
def page_in_here(modules, tmp_path, monkeypatch):
    """The page as `main` launches it, but in this process, with a model that learned nothing."""
    launch, served = gradio.Blocks.launch, []

    def launch_here(self, **options):
        served.append(self)
        launch(self, **options, server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)

    monkeypatch.setattr(gradio.Blocks, "launch", launch_here)
    monkeypatch.setenv("MODEL_ID", str(write_run(tmp_path / "run")))
    monkeypatch.delenv("DECODER_ONLY_MODEL_ID", raising=False)
    modules.app.main()
    yield served[0]
    served[0].close()


def test_sessions_are_bounded_and_a_forgotten_visitor_is_still_answered(page, page_in_here, modules):
    """Each call of the API is a session to Gradio, which by default keeps ten thousand of them."""
    space, kept = Space(page_in_here.local_url.rstrip("/")), page_in_here.state_holder.session_data
    open_page(page, space)
    page.get_by_label("Word", exact=True).fill("apple street")
    page.locator("#maps .map").first.wait_for()
    visitors = set(kept)
    for _ in range(modules.app.MAX_SESSIONS + 8):
        space.call("translate", "street")
    assert len(kept) <= modules.app.MAX_SESSIONS and not visitors & set(kept)
    choose(page, "Word to look into", "apple")
    open_maps(page, "apple")
