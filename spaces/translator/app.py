"""Pig Latin by small character transformers: type, compare, look inside, translate a file.

MODEL_ID names the encoder-decoder; DECODER_ONLY_MODEL_ID, if set, the decoder-only model: on the Hub, or a folder.
"""

import html
import os
import sys
import tempfile
import unicodedata
from functools import partial
from pathlib import Path

import gradio as gr
from cards import CSS, card, draw, render, summarise
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from translation import MAX_WORDS, WORD, Piece, TooManyWordsError, Translator, translate_text

MODELS = {
    "encoder-decoder": ("MODEL_ID", AutoModelForSeq2SeqLM),
    "decoder-only": ("DECODER_ONLY_MODEL_ID", AutoModelForCausalLM),
}
MAX_CHARACTERS, MAX_FILE_BYTES, MAX_DRAWN, MAX_WAITING = 5_000, 1_000_000, 30, 64
EXAMPLES = ["The air conditioning is working, my friend!", "Quiet squirrels don't yodel.", "A well-known STREET"]
OUTPUT = tempfile.TemporaryDirectory(prefix="pig-latin-")
PROGRESS = gr.Progress()


def read_file(path: str | None) -> str:
    """The text of an uploaded file; gr.Error says what is wrong with it."""
    content = Path(path).read_bytes() if path else b""
    if not content:
        raise gr.Error("Please choose a text file that is not empty.")
    if len(content) > MAX_FILE_BYTES:
        raise gr.Error(
            f"The file has {len(content):,} bytes; at most {MAX_FILE_BYTES:,} are possible. Please split it."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise gr.Error(f"Line {line} of the file is not UTF-8 text. Please save the file as UTF-8.") from error


class App:
    """What the page and the endpoints do; `translators` has one or both architectures."""

    def __init__(self, translators: dict[str, Translator]):
        self.translators = translators

    def pieces(self, text: str) -> dict[str, list[Piece]]:
        if len(text) > MAX_CHARACTERS:
            raise gr.Error(f"{len(text):,} characters; at most {MAX_CHARACTERS:,} are possible. Upload more as a file.")
        return {name: translate_text(translator, text) for name, translator in self.translators.items()}

    def translate(self, text: str) -> dict:
        """Translates English into Pig Latin with every model; capitals, punctuation and spaces stay.

        Args:
            text: at most 5,000 characters.

        Returns:
            Architecture -> translation, notes, and the words that differ from the rule, as [the model's, the rule's].
        """
        return {
            name: {
                "translation": "".join(piece.written for piece in pieces),
                "notes": summarise(pieces),
                "differs": [[piece.written, piece.rule] for piece in pieces if piece.kind == "differs"],
            }
            for name, pieces in self.pieces(text).items()
        }

    def show(self, text: str, chosen: str | None) -> tuple:
        """The page's cards, and the words to look into."""
        try:
            cards = [card(name, render(pieces), summarise(pieces)) for name, pieces in self.pieces(text).items()]
        except gr.Error as error:  # as the text is typed, a message in place disturbs less than one that pops up
            return card("", "", error.message), gr.skip()
        words = list(dict.fromkeys(WORD.findall(unicodedata.normalize("NFC", text))))[:100]
        value = chosen if chosen in words else max(words, key=len, default=None)
        return f'<div class="cards">{"".join(cards)}</div>', gr.Dropdown(choices=words, value=value)

    def attention(self, word: str) -> dict:
        """Where each model looked while it translated a word.

        Args:
            word: one word, at most 30 letters.

        Returns:
            Architecture -> translation, source symbols, output symbols, and per layer the weights (output, source).
        """
        word = unicodedata.normalize("NFC", (word or "").strip())
        if not WORD.fullmatch(word) or len(word) > MAX_DRAWN:
            raise gr.Error(f"Please choose one word, of at most {MAX_DRAWN} letters.")
        plain = {name: translator.plain(word) for name, translator in self.translators.items()}
        if None in plain.values():
            raise gr.Error(f"'{word}' is too long for the model, or has characters that it does not know.")
        return {name: self.translators[name].attention(form) for name, form in plain.items()}

    def show_attention(self, word: str | None) -> str:
        """A card for each architecture, a figure for each layer."""
        try:
            answers = self.attention(word)
        except gr.Error as error:  # in place of the figures, which would be another word's
            return card("", "", error.message)
        cards = []
        for name, answer in answers.items():
            symbols = answer["source"], answer["output"]
            figures = [draw(rows, *symbols, f"layer {layer}") for layer, rows in enumerate(answer["layers"], start=1)]
            cards.append(card(f"{name}: {html.escape(answer['translation'])}", "".join(figures)))
        return f'<div class="cards">{"".join(cards)}</div>'

    def translate_file(self, path: str | None, architecture: str, progress: gr.Progress = PROGRESS) -> tuple:
        """Translates a UTF-8 text file.

        Args:
            path: the file, of at most 1,000,000 bytes and 20,000 different words.
            architecture: "encoder-decoder", or "decoder-only" if that model is loaded.

        Returns:
            The translated file.
            How its words compare with the rule's, and which are left as they are.
        """
        text, track = read_file(path), partial(progress.tqdm, desc="Translating")
        try:
            pieces = translate_text(self.translators[architecture], text, track)
        except TooManyWordsError as error:
            raise gr.Error(str(error)) from error
        for old in Path(OUTPUT.name).iterdir():  # one file at a time, and Gradio has copied the one before
            old.unlink()
        result = Path(OUTPUT.name) / f"{Path(path).stem}.pig.txt"
        result.write_bytes("".join(piece.written for piece in pieces).encode())
        return str(result), summarise(pieces) or "There are no words."


def build(app: App) -> gr.Blocks:
    """The page and its endpoints."""
    private = {"api_visibility": "private"}
    with gr.Blocks(title="Pig Latin translator", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(
            "# Pig Latin translator\nSmall transformers that learned Pig Latin letter by letter, from examples alone; "
            "words that differ from the rule are marked."
        )
        text = gr.Textbox(EXAMPLES[0], label="English", max_lines=8, placeholder="Type English here")
        with gr.Row():
            for example in EXAMPLES:
                gr.Button(example, size="sm", min_width=100).click(partial(str, example), None, text, **private)
        cards = gr.HTML(elem_id="answers")
        gr.Markdown("### Where did the model look?")
        with gr.Row(equal_height=True):
            word = gr.Dropdown([], label="Word", filterable=False, min_width=180, scale=3)
            look = gr.Button("Show attention", min_width=120)
        maps = gr.HTML(elem_id="maps")
        build_file_part(app)
        loaded = ", ".join(f"{item.name} ({name})" for name, item in app.translators.items())
        gr.HTML(f'<p class="footer">Loaded: {html.escape(loaded)}</p>')
        typed = {"trigger_mode": "always_last", "show_progress": "hidden"}
        gr.on([page.load, text.change, text.submit], app.show, [text, word], [cards, word], **typed, **private)
        gr.on([look.click, word.input], app.show_attention, word, maps, **private)
        gr.api(app.translate, api_name="translate")
        gr.api(app.attention, api_name="attention")
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)


def build_file_part(app: App) -> None:
    gr.Markdown(
        f"### Translate a text file\nUTF-8, at most {MAX_FILE_BYTES:,} bytes and {MAX_WORDS:,} different words."
    )
    names = list(app.translators)
    source = gr.File(label="Text file", file_types=["text"], height=130)
    model = gr.Radio(names, value=names[0], label="Model", visible=len(names) > 1)
    with gr.Row():
        button = gr.Button("Translate file", variant="primary", min_width=120)
        download = gr.DownloadButton("Download", interactive=False, min_width=120)
    notes = gr.Textbox(label="How it went", lines=2, max_lines=6, interactive=False)
    outputs = [download, notes]
    button.click(app.translate_file, [source, model], outputs, api_name="translate_file", concurrency_limit=1).success(
        lambda: gr.DownloadButton(interactive=True), None, download, api_visibility="private"
    )


def load(variable: str, auto_class) -> Translator | None:
    """The model that a variable names, if it is set; SystemExit, after one line, if it cannot be loaded."""
    name = os.environ.get(variable)
    try:
        return Translator(name, auto_class) if name else None
    except (OSError, ValueError) as error:
        print(f"error: {variable}: {name} cannot be loaded: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    if not os.environ.get("MODEL_ID"):
        print("error: MODEL_ID is not set; name a translator on the Hub (owner/name) or its folder", file=sys.stderr)
        sys.exit(2)
    loaded = {name: load(*model) for name, model in MODELS.items()}
    app = App({name: translator for name, translator in loaded.items() if translator})
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build(app).launch(theme=theme, css=CSS, max_file_size=2 * MAX_FILE_BYTES, footer_links=[], ssr_mode=False)


if __name__ == "__main__":
    main()
