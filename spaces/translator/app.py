"""Words translated by small character transformers: type, compare, look inside, translate a file.

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
from cards import COPY, CSS, HEAD, card, draw, render, side_by_side, summarise
from languages import shared
from loading import CannotLoadError
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM
from translation import MAX_WORDS, WORD, Piece, TooManyWordsError, Translator, translate_text

MODELS = {
    "encoder-decoder": ("MODEL_ID", AutoModelForSeq2SeqLM),
    "decoder-only": ("DECODER_ONLY_MODEL_ID", AutoModelForCausalLM),
}
MAX_CHARACTERS, MAX_FILE_BYTES, MAX_DRAWN, MAX_WORDS_LISTED = 5_000, 1_000_000, 30, 100
# Gradio keeps the page's components for each session, also for each call of the API; nothing here needs them.
MAX_WAITING, MAX_SESSIONS = 64, 64
OUTPUT = tempfile.TemporaryDirectory(prefix="translator-")
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
    """The page and the endpoints; `translators` has one or both architectures."""

    def __init__(self, translators: dict[str, Translator]):
        self.translators = translators
        self.languages = shared([translator.languages for translator in translators.values()])

    def pieces(self, text: str) -> dict[str, list[Piece]]:
        if len(text) > MAX_CHARACTERS:
            raise gr.Error(f"{len(text):,} characters; at most {MAX_CHARACTERS:,} are possible. Upload more as a file.")
        return {name: translate_text(translator, text) for name, translator in self.translators.items()}

    def translate(self, text: str) -> dict:
        """Translates the words of a text with every model; capitals, punctuation and spaces stay.

        Args:
            text: at most 5,000 characters.

        Returns:
            Architecture -> translation, notes, and of Pig Latin the words that differ from the rule, as [the model's,
            the rule's].
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
        """The page's cards, the words to look into, and nothing in place of another word's attention."""
        try:
            pieces = self.pieces(text)
        except gr.Error as error:  # as the text is typed, a message in place disturbs less than one that pops up
            return card("", "", error.message), gr.Dropdown(choices=[], value=None), ""
        cards = [card(name, render(part), summarise(part), COPY) for name, part in pieces.items()]
        words = list(dict.fromkeys(WORD.findall(unicodedata.normalize("NFC", text))))[:MAX_WORDS_LISTED]
        longest = max(filter(self.is_readable, words), key=len, default=None)
        word = chosen if chosen in words else longest or next(iter(words), None)
        return side_by_side(cards), gr.Dropdown(choices=words, value=word), gr.skip() if word == chosen else ""

    def is_readable(self, word: str) -> bool:
        """Whether every model can look into it."""
        return len(word) <= MAX_DRAWN and all(item.plain(word) is not None for item in self.translators.values())

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
        if not self.is_readable(word):
            raise gr.Error(f"'{word}' is too long for the model, or has characters that it does not know.")
        return {name: translator.attention(translator.plain(word)) for name, translator in self.translators.items()}

    def show_attention(self, word: str | None) -> str:
        """A card for each architecture."""
        if not word:
            return card("", "", "Type a word to see where the model looks while it writes.")
        try:
            answers = self.attention(word)
        except gr.Error as error:  # in place of the maps, which would be another word's
            return card("", "", error.message)
        return side_by_side([draw(name, answer) for name, answer in answers.items()])

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
        kind = "pig" if self.languages.is_pig_latin else "translated"
        result = Path(OUTPUT.name) / f"{Path(path).stem}.{kind}.txt"
        result.write_bytes("".join(piece.written for piece in pieces).encode())
        return str(result), summarise(pieces) or f"{len(pieces) // 2:,} words."


def build(app: App) -> gr.Blocks:
    """The page and its endpoints."""
    title = app.languages.title
    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown(f"# {title}\n{introduction(app)}")
        with gr.Tab("Text"):
            build_text_part(app, page)
        with gr.Tab("File"):
            build_file_part(app)
        loaded = ", ".join(f"{item.name} ({name})" for name, item in app.translators.items())
        gr.HTML(f'<p class="footer">Loaded: {html.escape(loaded)}</p>')
        gr.api(app.translate, api_name="translate")
        gr.api(app.attention, api_name="attention")
    return page.queue(max_size=MAX_WAITING, default_concurrency_limit=2)


def introduction(app: App) -> str:
    several = len(app.translators) > 1
    learned = f"{'Small transformers' if several else 'A small transformer'} that learned from examples alone"
    if not app.languages.is_pig_latin:
        return f"{learned}, letter by letter."
    return f"{learned} to write Pig Latin, letter by letter; words that differ from the rule are marked."


def build_text_part(app: App, page: gr.Blocks) -> None:
    private, languages = {"api_visibility": "private"}, app.languages
    first = next(iter(languages.examples), "")
    text = gr.Textbox(first, label=languages.source, max_lines=8, placeholder="Type here")
    with gr.Row():
        for example in languages.examples:
            gr.Button(example, size="sm", min_width=100).click(partial(str, example), None, text, **private)
    cards = gr.HTML(elem_id="answers")
    gr.Markdown(
        "### Where did the model look?\nA row for each symbol that it wrote, a column for each that it read; the "
        'stronger the colour, the more attention (<span class="scale"></span> from 0 to 1, the mean over the heads).'
    )
    # Own values are allowed because the choices change with the text, and a session that is forgotten has none.
    word = gr.Dropdown([], label="Word to look into", allow_custom_value=True)
    maps = gr.HTML(elem_id="maps")
    typed = {"trigger_mode": "always_last", "show_progress": "hidden"}
    gr.on([page.load, text.change, text.submit], app.show, [text, word], [cards, word, maps], **typed, **private)
    word.change(app.show_attention, word, maps, **typed, **private)


def build_file_part(app: App) -> None:
    gr.Markdown(f"A UTF-8 text of at most {MAX_FILE_BYTES:,} bytes and {MAX_WORDS:,} different words.")
    names = list(app.translators)
    source = gr.File(label="Text file", file_types=["text"], height=130)
    model = gr.Radio(names, value=names[0], label="Model", visible=len(names) > 1)
    button = gr.Button("Translate file", variant="primary")
    notes = gr.Textbox(label="How it went", max_lines=6, interactive=False, visible=False)
    download = gr.DownloadButton("Download", visible=False)
    outputs = [download, notes]
    button.click(app.translate_file, [source, model], outputs, api_name="translate_file", concurrency_limit=1).success(
        lambda: (gr.DownloadButton(visible=True), gr.Textbox(visible=True)), None, outputs, api_visibility="private"
    )


def load(variable: str, auto_class) -> Translator | None:
    """The model that a variable names, if it is set; SystemExit, after one line, if it cannot be loaded."""
    name = os.environ.get(variable)
    try:
        return Translator(name, auto_class, os.environ.get("TRUST_REMOTE_CODE") == "1") if name else None
    except CannotLoadError as error:
        print(f"error: {variable}: {name} cannot be loaded: {error}", file=sys.stderr)
        sys.exit(2)


def main() -> None:
    if not os.environ.get("MODEL_ID"):
        print("error: MODEL_ID is not set; name a translator on the Hub (owner/name) or its folder", file=sys.stderr)
        sys.exit(2)
    loaded = {name: load(*model) for name, model in MODELS.items()}
    app = App({name: translator for name, translator in loaded.items() if translator})
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build(app).launch(
        theme=theme,
        css=CSS,
        head=HEAD,
        max_file_size=2 * MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        footer_links=[],
        ssr_mode=False,
    )


if __name__ == "__main__":
    main()
