"""Robustness: change a text as you choose, and see whether one or two classifiers still say the same.

MODEL_ID names a classifier; SECOND_MODEL_ID, if set, another one: on the Hub, or a folder.
"""

import html
import os
import sys

import gradio as gr
from cards import CSS, draw, message
from changes import TRANSFORMS, Changed, change
from classification import Answer, Classifier, check_kind
from loading import CannotLoadError
from reading import MAX_CHARACTERS, Example, InputError, read_typed

VARIABLES = ("MODEL_ID", "SECOND_MODEL_ID")
MAX_WAITING, MAX_SESSIONS = 64, 64
TEXT = "It is not a bad film. I have seen it twice, and the quiet ending was wonderful both times."
MISSING = "Synonyms need WordNet, and some transforms a language model: igpay's scripts/transform.py has them."


class App:
    """The page and the endpoint of one or two classifiers."""

    def __init__(self, classifiers: list[Classifier]):
        self.classifiers = classifiers

    def answer(
        self, text: str, transforms: list[str], strength: float, seed: float
    ) -> tuple[Changed, list[tuple[Answer, Answer]]]:
        """The changed text, and each model's answers before and after; InputError for what cannot be."""
        changed = change(read_typed(text, "").text, transforms, strength, seed)
        examples = [Example(changed.before), Example(changed.after)]
        check_kind(self.classifiers, examples)
        return changed, [tuple(item.answer(examples)) for item in self.classifiers]

    def transform(self, text: str, transforms: list[str], strength: float = 0.5, seed: float = 0) -> dict:
        """Changes a text, and asks every model before and after.

        Args:
            text: at most 5,000 characters.
            transforms: names, such as typos or contractions; they are applied in the order of the page.
            strength: from 0, which changes nothing, to 1.
            seed: a whole number; the same one changes a text in the same way.

        Returns:
            text: the changed one. changes: start and end in the original, before and after, word by word. models: name
            -> before and after, each with label, probabilities and cut.
        """
        try:
            changed, answers = self.answer(text, transforms, strength, seed)
        except InputError as error:
            raise gr.Error(str(error)) from error
        changes = [
            {"start": start, "end": end, "before": changed.before[start:end], "after": put}
            for start, end, put in changed.edits
        ]
        named = zip(self.classifiers, answers, strict=True)
        models = {
            item.name: {when: one._asdict() for when, one in zip(("before", "after"), pair, strict=True)}
            for item, pair in named
        }
        return {"text": changed.after, "changes": changes, "models": models}

    def show(self, text: str, transforms: list[str], strength: float, seed: float) -> str:
        """The page's cards; what is wrong stands in their place, as the text is still being typed."""
        try:
            changed, answers = self.answer(text, transforms, strength, seed)
        except InputError as error:
            return message(str(error))
        return draw(changed, self.classifiers, answers)


def build(app: App) -> gr.Blocks:
    """The page and its endpoint."""
    with gr.Blocks(title="Robustness", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# Robustness\nChange a text without changing what it says. Does the answer stay the same?")
        text = gr.Textbox(TEXT, label="Text", max_lines=10, placeholder=f"At most {MAX_CHARACTERS:,} characters")
        names = gr.CheckboxGroup(list(TRANSFORMS), value=["typos"], label="Transforms", info=MISSING)
        with gr.Row():
            strength = gr.Slider(0, 1, 0.5, step=0.05, label="Strength", min_width=200)
            seed = gr.Number(0, label="Seed", precision=0, min_width=120)
        result = gr.HTML(elem_id="result")
        inputs, typed = [text, names, strength, seed], {"trigger_mode": "always_last", "show_progress": "hidden"}
        events = [page.load, *(part.change for part in inputs)]
        gr.on(events, app.show, inputs, result, api_visibility="private", **typed)
        loaded = "; ".join(f"{item.name} ({item.max_length} tokens)" for item in app.classifiers)
        gr.HTML(f'<p class="footer">Loaded: {html.escape(loaded)}</p>')
        gr.api(app.transform, api_name="transform")
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)


# The same as spaces/classifier/app.py
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


# The same as spaces/classifier/app.py
def tokens_to_read() -> int | None:
    """MAX_LENGTH, or None: as many as the model's tokenizer says."""
    given = os.environ.get("MAX_LENGTH")
    if not given:
        return None
    if not given.isdecimal() or int(given) < 4:
        refuse(f"MAX_LENGTH is '{given}'; give a number of tokens, 4 or more")
    return int(given)


# The same as spaces/classifier/app.py
def refuse(reason: str) -> None:
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(2)


def main() -> None:
    if not os.environ.get("MODEL_ID"):
        refuse("MODEL_ID is not set; name a text classifier on the Hub (owner/name) or its folder")
    classifiers = [item for item in map(load, VARIABLES) if item]
    if len(classifiers) > 1 and classifiers[0].name == classifiers[1].name:
        classifiers[1].name += " (2)"
    theme = gr.themes.Soft(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    options = {"state_session_capacity": MAX_SESSIONS, "footer_links": [], "ssr_mode": False}
    build(App(classifiers)).launch(theme=theme, css=CSS, **options)


if __name__ == "__main__":
    main()
