"""Text classifiers: type a text or a pair, see what one or two models answer, and inspect many texts at once.

MODEL_ID names a classifier; SECOND_MODEL_ID, if set, another one to compare it with: on the Hub, or a folder.
"""

import html
import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import gradio as gr
from cards import CSS, card, draw, summarise, tab_separated, tables
from classification import Answer, Classifier, compare
from loading import CannotLoadError
from reading import MAX_CHARACTERS, MAX_TEXTS, MAX_TOTAL, Example, InputError, read_file, read_lines, read_typed

VARIABLES = ("MODEL_ID", "SECOND_MODEL_ID")
# Gradio keeps the page's components for each session, also for each call of the API; nothing here needs them.
MAX_WAITING, MAX_SESSIONS, KEPT_SECONDS = 64, 64, 600
OUTPUT = tempfile.TemporaryDirectory(prefix="classifier-")
PROGRESS = gr.Progress()


class App:
    """The page and the endpoints of one or two classifiers."""

    def __init__(self, classifiers: list[Classifier]):
        self.classifiers = classifiers

    def describe(self, answers: list[Answer]) -> dict:
        named = zip(self.classifiers, answers, strict=True)
        return {item.name: {"probabilities": {}, **answer._asdict()} for item, answer in named}

    def classify(self, text: str, pair: str = "") -> dict:
        """Classifies a text, or a pair of texts, with every model.

        Args:
            text: at most 5,000 characters.
            pair: the second text, for models of pairs; empty for one text alone.

        Returns:
            models: name -> label, probabilities (class -> share; none for a number), and cut: whether only the text's
            beginning was read. differ: whether the labels differ; null where that cannot be said.
        """
        try:
            (row,) = compare(self.classifiers, [read_typed(text, pair)])
        except InputError as error:
            raise gr.Error(str(error)) from error
        return {"models": self.describe(row.answers), "differ": row.differ}

    def show(self, text: str, pair: str) -> str:
        """The page's cards; what is wrong stands in their place, as the text is still being typed."""
        try:
            (row,) = compare(self.classifiers, [read_typed(text, pair)])
        except InputError as error:
            return card("", f"<p>{html.escape(str(error))}</p>")
        return draw(self.classifiers, row)

    def inspect(self, texts: str, only_differences: bool = False) -> dict:
        """Classifies many texts with every model.

        Args:
            texts: a text per line, at most 2,000; of a pair, the two texts with a tab between.
            only_differences: leave out the texts on which the models agree; where answers are not compared, none.

        Returns:
            rows: text, pair (or null), models and differ as from /classify. summary: how often the models agree.
        """
        try:
            rows = compare(self.classifiers, read_lines(texts))
        except InputError as error:
            raise gr.Error(str(error)) from error
        chosen = [row for row in rows if row.differ is not False or not only_differences]
        told = [
            {
                "text": row.example.text,
                "pair": row.example.pair,
                "models": self.describe(row.answers),
                "differ": row.differ,
            }
            for row in chosen
        ]
        return {"rows": told, "summary": summarise(self.classifiers, rows)}

    def inspect_page(self, lines: str, path: str | None, label: str, progress: gr.Progress = PROGRESS) -> tuple:
        """Summary, tables, and the file to download."""
        try:
            if path and lines.strip():
                raise InputError("Please paste texts or choose a file, not both.")
            if (label or "").strip() and not path:
                raise InputError(
                    "Pasted lines have no columns. Please choose a CSV or TSV file, or name no label column."
                )
            examples = read_file(path, label or "") if path else read_lines(lines)
            rows = compare(self.classifiers, examples, lambda name: partial(progress.tqdm, desc=name))
        except InputError as error:
            raise gr.Error(str(error)) from error
        file = write_file(tab_separated(self.classifiers, rows))
        download = gr.DownloadButton(value=file, visible=True)
        return card("", "", summarise(self.classifiers, rows)), tables(self.classifiers, rows), download

    def examples(self) -> list[Example]:
        """Texts to try that suit every model: those of the first that has an opinion."""
        return min(self.classifiers, key=lambda item: item.takes_pairs is None).examples


def write_file(text: str) -> str:
    """Writes a file to be downloaded, and removes those that Gradio has long copied."""
    for old in Path(OUTPUT.name).iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    path = Path(tempfile.mkdtemp(dir=OUTPUT.name)) / "inspected.tsv"
    path.write_bytes(text.encode())
    return str(path)


def build(app: App) -> gr.Blocks:
    """The page and its endpoints."""
    with gr.Blocks(title="Text classifier", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# Text classifier\nWhat the models answer, how sure they are, and where they differ.")
        with gr.Tab("Classify"):
            build_classify(app, page)
        with gr.Tab("Inspect"):
            build_inspect(app)
        loaded = "; ".join(
            f"{item.name} ({'a number' if item.is_number else shortened(item.labels)}; {item.max_length} tokens)"
            for item in app.classifiers
        )
        gr.HTML(f'<p class="footer">Loaded: {html.escape(loaded)}</p>')
        gr.api(app.classify, api_name="classify")
        gr.api(app.inspect, api_name="inspect", concurrency_id="inspect", concurrency_limit=1)
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)


def shortened(labels: list[str], shown: int = 8) -> str:
    return ", ".join(labels[:shown] + [f"… {len(labels)} labels"] * (len(labels) > shown))


def build_classify(app: App, page: gr.Blocks) -> None:
    examples, private = app.examples(), {"api_visibility": "private"}
    first = examples[0]
    text = gr.Textbox(
        first.text, label="Text", max_lines=8, placeholder=f"Type a text, of at most {MAX_CHARACTERS:,} characters"
    )
    single = any(item.takes_pairs is False for item in app.classifiers)
    hint = "The text to compare it with" if first.pair else "For models of pairs; else leave it empty"
    pair = gr.Textbox(first.pair or "", label="Second text", max_lines=8, placeholder=hint, visible=not single)
    with gr.Row():
        for example in examples:
            texts = [example.text, example.pair or ""]
            button = gr.Button(" / ".join(filter(None, texts)), size="sm", min_width=200)
            button.click(partial(list, texts), None, [text, pair], **private)
    cards = gr.HTML(elem_id="answers")
    typed = {"trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private"}
    gr.on([page.load, text.change, pair.change, text.submit], app.show, [text, pair], cards, **typed)


def build_inspect(app: App) -> None:
    gr.Markdown(
        "A text per line (of a pair, both with a tab between), or a UTF-8 file: CSV or TSV with a header, or lines. "
        "If a column has the right labels, the answers are scored. "
        f"At most {MAX_TEXTS:,} texts and {MAX_TOTAL:,} bytes."
    )
    with gr.Row():
        lines = gr.Textbox(label="Texts", lines=7, max_lines=12, scale=2, min_width=260, placeholder="A text per line")
        with gr.Column(min_width=200):
            source = gr.File(label="File", file_types=["text", ".csv", ".tsv"], height=140)
            label = gr.Textbox(label="Label column", max_lines=1, placeholder="If empty: label, class, sentiment, …")
    button = gr.Button("Inspect", variant="primary")
    summary = gr.HTML(elem_id="summary")
    download = gr.DownloadButton("Download", size="sm", visible=False)
    rows = gr.HTML(elem_id="rows")
    outputs, private = [summary, rows, download], {"api_visibility": "private"}
    at_once = {"concurrency_id": "inspect", "concurrency_limit": 1}
    button.click(app.inspect_page, [lines, source, label], outputs, **at_once, **private)


def load(variable: str) -> Classifier | None:
    """The model that a variable names, if it is set.

    Raises:
        SystemExit: it cannot be loaded; one line has said why.
    """
    name = os.environ.get(variable)
    try:
        return Classifier(name, os.environ.get("TRUST_REMOTE_CODE") == "1", tokens_to_read()) if name else None
    except CannotLoadError as error:
        refuse(f"{variable}: {name} cannot be loaded: {error}")


def tokens_to_read() -> int | None:
    """MAX_LENGTH, or None: as many as the model's tokenizer says."""
    given = os.environ.get("MAX_LENGTH")
    if not given:
        return None
    if not given.isdecimal() or int(given) < 4:
        refuse(f"MAX_LENGTH is '{given}'; give a number of tokens, 4 or more")
    return int(given)


def refuse(reason: str) -> None:
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    if not os.environ.get("MODEL_ID"):
        refuse("MODEL_ID is not set; name a text classifier on the Hub (owner/name) or its folder")
    classifiers = [item for item in map(load, VARIABLES) if item]
    if len(classifiers) > 1 and classifiers[0].name == classifiers[1].name:
        classifiers[1].name += " (2)"
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build(App(classifiers)).launch(
        theme=theme,
        css=CSS,
        max_file_size=2 * MAX_TOTAL,
        state_session_capacity=MAX_SESSIONS,
        footer_links=[],
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
