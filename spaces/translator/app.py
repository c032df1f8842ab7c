"""Pig Latin by small character transformers: type, compare, look inside, translate a file.

MODEL_ID names the encoder-decoder; DECODER_ONLY_MODEL_ID, if set, the decoder-only model: on the Hub, or a folder.
"""

import base64
import html
import io
import os
import re
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import torch
from matplotlib.figure import Figure
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

MODELS = {
    "encoder-decoder": ("MODEL_ID", AutoModelForSeq2SeqLM),
    "decoder-only": ("DECODER_ONLY_MODEL_ID", AutoModelForCausalLM),
}
MAX_CHARACTERS, MAX_FILE_BYTES, MAX_WORDS, MAX_DRAWN = 5_000, 1_000_000, 20_000, 30
MAX_WAITING, BATCH_SIZE = 64, 256
WORD = re.compile(r"([^\W\d_]+(?:['’-][^\W\d_]+)*)")
EXAMPLES = ["The air conditioning is working, my friend!", "Quiet squirrels don't yodel.", "A well-known STREET"]
OUTPUT = tempfile.TemporaryDirectory(prefix="pig-latin-")
PROGRESS = gr.Progress()
CSS = """
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
.card { background: var(--block-background-fill); border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 16px; overflow-wrap: anywhere; white-space: pre-wrap; }
.card p { font-size: 1.3rem; line-height: 1.6; margin: 4px 0 8px; } .card b, .footer { opacity: 0.7; }
.card mark { background: #fde2e1; color: #8a1c13; border-bottom: 2px solid #c5221f; padding: 0 3px; }
.card u { text-decoration: underline dotted; } .card small { font-size: 0.9rem; }
.card img { background: white; border-radius: 6px; margin: auto; }
"""


class Piece(NamedTuple):
    """A word as the model translated it, with the rule's translation; or what stands between words."""

    written: str
    rule: str = ""
    kind: str = "between"  # or "right", "differs", or "left" as it is, because the model cannot read it


class Translator:
    """A model, its tokenizer, and the words that it translated lately."""

    def __init__(self, name: str, auto_class):
        self.name = Path(name).name if Path(name).is_dir() else name
        # The model's own code runs here, from the repository or beside the weights in the folder. It is trusted because
        # the Space's owner named it in a variable that visitors cannot set; name nothing that you would not run.
        options = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": True}
        self.model = auto_class.from_pretrained(name, **options).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=True)
        self.characters = {symbol for symbol in self.tokenizer.get_vocab() if len(symbol) == 1}
        self.longest = self.model.config.max_position_embeddings // 2 - 2  # a decoder-only row holds word and answer
        self.lock = threading.Lock()  # threads cannot share a tokenizer that pads

    def plain(self, word: str) -> str | None:
        """The word as the model reads it: in lower case and without apostrophes where it must be; None if it cannot."""
        forms = [form for cased in (word, word.lower()) for form in (cased, re.sub("['’]", "", cased))]
        return next((form for form in forms if self.characters.issuperset(form) and len(form) <= self.longest), None)

    def translate(self, words: set[str], progress: Callable = iter) -> dict[str, str]:
        """The plain words' translations; words of like length share a batch, and `progress` wraps the batches."""
        ordered = sorted(words, key=len)
        batches = [ordered[at : at + BATCH_SIZE] for at in range(0, len(ordered), BATCH_SIZE)]
        return {word: answer for batch in progress(batches) for word, answer in self._generate(batch)}

    @torch.inference_mode()
    def _generate(self, words: list[str]) -> Iterable[tuple[str, str]]:
        with self.lock:
            inputs = self.tokenizer(words, padding=True, return_tensors="pt")
        limit = min(self.longest, 3 * max(map(len, words)) + 8)  # where a model stops that does not find its end
        output = self.model.generate(**inputs, do_sample=False, max_new_tokens=limit)
        prompt_length = 1 if self.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return zip(words, self.tokenizer.batch_decode(output[:, prompt_length:], skip_special_tokens=True), strict=True)

    @torch.inference_mode()
    def attention(self, word: str) -> dict:
        """A plain word's translation, and per layer the attention weights (output, source), the mean over heads."""
        ((_, written),) = self._generate([word])
        with self.lock:
            prompt, target = (self.tokenizer([text], return_tensors="pt")["input_ids"] for text in (word, written))
        if self.model.config.is_encoder_decoder:
            layers = self.model(input_ids=prompt, labels=target, output_attentions=True).cross_attentions
        else:  # `<s> word <eop> written </s>`: the symbol at place t is written from the state at place t - 1
            end = target.new_tensor([[self.model.config.eos_token_id]])
            target = torch.cat((target[:, 1:-1], end), dim=1)
            layers = self.model(torch.cat((prompt, target), dim=1), output_attentions=True).attentions
            layers = [layer[:, :, prompt.shape[1] - 1 : -1, : prompt.shape[1]] for layer in layers]
        source, output = (self.tokenizer.convert_ids_to_tokens(ids[0].tolist()) for ids in (prompt, target))
        weights = [layer[0].mean(dim=0).tolist() for layer in layers]
        return {"translation": written, "source": source, "output": output, "layers": weights}


def to_pig_latin(word: str) -> str:
    """The rule, in lower case: what stands before the first vowel ("qu" is a block) goes behind the rest, then "ay"."""
    parts = [(part, len(re.match(r"y?(?:qu|[^aeiouy])*", part)[0])) for part in word.split("-")]
    return "-".join(part[onset:] + part[:onset] + "ay" if onset else f"{part}way" for part, onset in parts)


def restore(word: str, translation: str) -> str:
    """Gives the translation the apostrophe (behind the letters that it followed) and the capitals of the word."""
    if found := re.search("['’]", word):
        before = word[: found.start()].lower()
        kept = next((before[at:] for at in range(len(before)) if translation.startswith(before[at:])), "")
        translation = kept + found[0] + translation[len(kept) :] if kept else translation
    if word.isupper() and len(word) > 1:
        return translation.upper()
    return translation[:1].upper() + translation[1:] if word[:1].isupper() else translation


def translate_text(translator: Translator, text: str, progress: Callable = iter) -> list[Piece]:
    """The text in pieces; gr.Error if it has too many different words."""
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())  # a lone surrogate becomes "?"
    plain = {word: translator.plain(word) for word in WORD.findall(text)}
    known = {form for form in plain.values() if form is not None}
    if len(known) > MAX_WORDS:
        raise gr.Error(f"{len(known):,} different words; at most {MAX_WORDS:,} are possible. Please split the file.")
    written = translator.translate(known, progress)

    def judge(word: str) -> Piece:
        form = plain[word]
        if form is None:
            return Piece(word, kind="left")
        rule, answer = to_pig_latin(form.lower()), written[form]
        kind = "right" if answer.lower() == rule else "differs"
        return Piece(answer if form == word else restore(word, answer), restore(word, rule), kind)

    return [judge(piece) if index % 2 else Piece(piece) for index, piece in enumerate(WORD.split(text))]


def summarise(pieces: list[Piece]) -> str:
    """How the model's words compare with the rule's, and which it could not read, in two lines at most."""
    read = [piece for piece in pieces if piece.kind in ("right", "differs")]
    wrong = [f"{piece.written} (rule: {piece.rule})" for piece in read if piece.kind == "differs"]
    left = [piece.written[:40] for piece in pieces if piece.kind == "left"]
    lines = [f"{len(wrong):,} of {len(read):,} words differ from the rule: {listed(wrong)}."] if wrong else []
    lines += [f"Left as they are, too long or with characters unknown to the model: {listed(left)}."] if left else []
    return "\n".join(lines) or ("All words as the rule has them." if read else "")


def listed(words: list[str], shown: int = 8) -> str:
    different = list(dict.fromkeys(words))
    return ", ".join(different[:shown] + ["…"] * (len(different) > shown))


def card(title: str, body: str, notes: str = "") -> str:
    return f'<div class="card"><b>{title}</b>{body}<small>{html.escape(notes)}</small></div>'


def render(pieces: list[Piece]) -> str:
    """The translation as HTML; whatever a person typed is text in it, never a tag."""
    tags = {"differs": "<mark>{}</mark>", "left": "<u>{}</u>"}
    answer = "".join(tags.get(piece.kind, "{}").format(html.escape(piece.written)) for piece in pieces)
    return f'<p aria-live="polite">{answer}</p>'


def draw(weights: list[list[float]], source: list[str], output: list[str], title: str) -> str:
    """A heatmap of attention weights, output symbols (rows) by source symbols (columns), as an HTML image."""
    figure = Figure(figsize=(2.2 + 0.3 * len(source), min(1.6 + 0.3 * len(output), 14)), layout="constrained")
    axis = figure.subplots()
    image = axis.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    axis.set(title=title, xlabel="source", ylabel="output")
    axis.set_xticks(range(len(source)), source)
    axis.set_yticks(range(len(output)), output)
    figure.colorbar(image, ax=axis, label="attention weight")
    figure.savefig(png := io.BytesIO(), format="png", dpi=110)
    return f'<img alt="attention, {title}" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'


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
        pieces = translate_text(self.translators[architecture], text, track)
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


def main() -> None:
    chosen = {name: os.environ.get(variable) for name, (variable, _) in MODELS.items()}
    if not chosen["encoder-decoder"]:
        print("error: MODEL_ID is not set; name a translator on the Hub (owner/name) or its folder", file=sys.stderr)
        sys.exit(2)
    app = App({name: Translator(model, MODELS[name][1]) for name, model in chosen.items() if model})
    theme = gr.themes.Soft(primary_hue="pink", font=["system-ui", "sans-serif"], font_mono=["monospace"])
    build(app).launch(theme=theme, css=CSS, max_file_size=2 * MAX_FILE_BYTES, footer_links=[], ssr_mode=False)


if __name__ == "__main__":
    main()
