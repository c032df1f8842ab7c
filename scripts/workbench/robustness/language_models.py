"""Transforms by language models, each used only where its model is named: `masked_lm=MODEL`, `back_translation=A+B`.

They take as long as their models take: a pass for each word, or each sentence.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random

from workbench.errors import UserError

from . import tables
from .synonyms import is_usual, same_polarity
from .transform import Edit, Transform, sentences_of, words_of


class ModelTransform(Transform):
    """A transform that needs a model by its name or folder; other processes load it anew."""

    only_if_named = True
    EXAMPLE = ""

    def __init__(self, strength: float = 0.5, seed: int = 0, model: str = ""):
        super().__init__(strength, seed)
        if not model:
            raise UserError(f"{self.name} needs a model: {self.EXAMPLE}")
        self.model = model

    @property
    def identity(self) -> str:
        """A folder's weights may be others tomorrow."""
        folders = [Path(name) for name in self.model.split("+")]
        times = [path.stat().st_mtime_ns for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
        return f"{super().identity} {self.model} {times}"

    def __reduce__(self):
        return type(self), (self.strength, self.seed, self.model)


class MaskedLanguageModel(ModelTransform):
    """Some words for what a masked language model would put in their place."""

    name = "masked_lm"
    rationale = "The word fits where it stands; function words, negations, names and praise or blame stay as they are."
    citation = "Garg and Ramakrishnan, BAE: BERT-based adversarial examples for text classification (EMNLP 2020)"
    EXAMPLE = "masked_lm=distilbert-base-uncased"
    SHARE = 0.3
    MOST = 10  # predictions that are looked at
    CONTEXT = 400  # characters on either side of the word

    @cached_property
    def predictor(self):
        """Tokenizer and model."""
        from transformers import AutoModelForMaskedLM

        return load(AutoModelForMaskedLM, self.model)

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share, stay = self.strength * self.SHARE, tables.word_set("words", "function_words")
        for match in words_of(text):
            start, end = match.span(1)
            if random.random() < share and match[1].islower() and len(match[1]) > 2 and match[1] not in stay:
                words = [word for word in self.predictions(text, start, end) if self.fits(word, match[1])]
                if words:
                    yield start, end, random.choice(words)

    def predictions(self, text: str, start: int, end: int) -> list[str]:
        """The likeliest words in this place."""
        import torch

        tokenizer, model = self.predictor
        context = text[max(0, start - self.CONTEXT) : start] + tokenizer.mask_token + text[end : end + self.CONTEXT]
        inputs = tokenizer(context, return_tensors="pt", truncation=True)
        places = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()
        if not len(places):
            return []
        with torch.inference_mode():
            scores = model(**inputs).logits[0, places[0, 0]]
        return [tokenizer.decode([token]).strip() for token in scores.topk(min(self.MOST, len(scores))).indices]

    def fits(self, candidate: str, word: str) -> bool:
        stay = tables.word_set("words", "function_words")
        return (
            candidate.isalpha()
            and candidate.islower()
            and candidate not in stay
            and candidate != word
            and same_polarity(candidate, word)
            and is_usual(candidate, word)
        )


class BackTranslation(ModelTransform):
    """Some sentences translated into another language and back, by two models."""

    name = "back_translation"
    rationale = "A translation says the same; back in its own language a sentence has other words and another order."
    citation = "Sennrich et al., Improving neural machine translation models with monolingual data (ACL 2016)"
    keeps_words = False
    EXAMPLE = "back_translation=Helsinki-NLP/opus-mt-en-de+Helsinki-NLP/opus-mt-de-en"

    def __init__(self, strength: float = 0.5, seed: int = 0, model: str = ""):
        super().__init__(strength, seed, model)
        self.names = model.split("+")
        if len(self.names) != 2:
            raise UserError(f"{self.name} needs two models, there and back: {self.EXAMPLE}")

    @cached_property
    def translators(self) -> list:
        """Tokenizer and model of either way."""
        from transformers import AutoModelForSeq2SeqLM

        return [load(AutoModelForSeq2SeqLM, name) for name in self.names]

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        for sentence in sentences_of(text):
            body = sentence[1].strip()
            if random.random() < self.strength and any(map(str.isalpha, body)):
                start = sentence.start(1) + sentence[1].index(body)
                yield start, start + len(body), self.there_and_back(body) or body

    def there_and_back(self, sentence: str) -> str:
        import torch

        for tokenizer, model in self.translators:
            inputs = tokenizer(sentence, return_tensors="pt", truncation=True)
            with torch.inference_mode():
                tokens = model.generate(**inputs, do_sample=False, num_beams=1)
            sentence = tokenizer.decode(tokens[0], skip_special_tokens=True).strip()
        return sentence


def load(model_class: type, name: str):
    """Tokenizer and model, for inference; UserError where it is no such model."""
    from transformers import AutoTokenizer

    from workbench.hub.fetch import check_config, fetch_model, loading

    folder = fetch_model(name)
    check_config(folder, False)
    with loading(name, folder):
        return AutoTokenizer.from_pretrained(folder), model_class.from_pretrained(folder).eval()


def load_encoder(name: str) -> Callable[[Sequence[str]], "torch.Tensor"]:  # noqa: F821 (imported late: it takes a second)
    """What gives texts' embeddings, (N, hidden size): the mean of the last layer's, padding left out."""
    import torch
    from transformers import AutoModel

    tokenizer, model = load(AutoModel, name)

    def encode(texts: Sequence[str]) -> torch.Tensor:
        inputs = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            states = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        return (states * mask).sum(1) / mask.sum(1).clamp(min=1)

    return encode
