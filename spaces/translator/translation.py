"""What is translated and how: a model on the CPU, a text in pieces, and the rule that the answers are held against."""

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from languages import read_languages
from loading import fetch, load_model

MAX_WORDS, BATCH_SIZE = 20_000, 256
# The same as scripts/workbench/translation/text.py
WORD = re.compile(r"([^\W\d_]+(?:['’-][^\W\d_]+)*)")


class TooManyWordsError(ValueError):
    """A text with more different words than are translated at once; the message is for the visitor."""


class Piece(NamedTuple):
    """A word as the model translated it, with the rule's translation; or what stands between words."""

    written: str
    rule: str = ""
    kind: str = "between"  # or "right", "differs", "read" where there is no rule, or "left": the model cannot read it


class Translator:
    """A model, its tokenizer, and what it translates from and into."""

    def __init__(self, name: str, auto_class, trust_remote_code: bool = False):
        self.name = Path(name).name if Path(name).is_dir() else name
        folder = fetch(name, trust_remote_code)
        self.model, self.tokenizer = load_model(name, folder, auto_class, trust_remote_code)
        self.characters = {symbol for symbol in self.tokenizer.get_vocab() if len(symbol) == 1}
        self.longest = self.model.config.max_position_embeddings // 2 - 2  # a decoder-only row holds word and answer
        self.languages = read_languages(folder)
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
    """The text in pieces.

    Raises:
        TooManyWordsError: it has more than MAX_WORDS different words.
    """
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode())  # a lone surrogate becomes "?"
    plain = {word: translator.plain(word) for word in WORD.findall(text)}
    known = {form for form in plain.values() if form is not None}
    if len(known) > MAX_WORDS:
        raise TooManyWordsError(
            f"{len(known):,} different words; at most {MAX_WORDS:,} are possible. Please split the file."
        )
    written = translator.translate(known, progress)

    def judge(word: str) -> Piece:
        form = plain[word]
        if form is None:
            return Piece(word, kind="left")
        answer = written[form]
        shown = answer if form == word else restore(word, answer)
        if not translator.languages.is_pig_latin:
            return Piece(shown, kind="read")
        rule = to_pig_latin(form.lower())
        return Piece(shown, restore(word, rule), "right" if answer.lower() == rule else "differs")

    return [judge(piece) if index % 2 else Piece(piece) for index, piece in enumerate(WORD.split(text))]
