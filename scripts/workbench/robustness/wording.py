"""Changes of words that leave what is said: contractions, fillers, British spelling, order, names and numbers."""

import re
from collections.abc import Iterator
from functools import cache
from random import Random

from . import tables
from .spelling import WordTransform
from .transform import WORD, WORDS, Edit, Transform, like, sentences_of, words_of

PRONOUNS = "I|you|he|she|it|we|they|there|this|that"


class Contractions(Transform):
    """Long forms contracted and contracted ones written out: 'is not' and "isn't"."""

    name = "contractions"
    rationale = "A contraction says the same as its long form; those that could stand for two forms stay."
    citation = "Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020)"
    keeps_words = False

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        pattern, other_forms = contraction_table()
        for match in pattern.finditer(text):
            if random.random() < self.strength:
                form = " ".join(match[0].replace("’", "'").split())
                yield *match.span(), _like_first(other_forms[form.casefold()], form)


@cache
def contraction_table() -> tuple[re.Pattern, dict[str, str]]:
    """What finds a long or contracted form, and the other one of each, by its small letters.

    A pronoun with its verb is contracted only before a word: 'what it is.' has no short form. A negation before a
    pronoun, as in "don't you", stays contracted.
    """
    table = tables.read("contractions")
    contracted = table["negations"] | table["operators"] | table["only_contracted"]
    written_out = table["negations"] | table["operators"] | table["only_written_out"]
    others = {long.casefold(): short for long, short in contracted.items()}
    others |= {short.casefold(): long for long, short in written_out.items()}
    ends = dict.fromkeys(others, r"(?![\w'’])")
    ends |= {long.casefold(): r"(?=\s+(?!not\b)[a-z])" for long in table["operators"] | table["only_contracted"]}
    ends |= dict.fromkeys(table["negations"].values(), rf"(?![\w'’]|\s+(?:{PRONOUNS})\b)")
    forms = [
        re.escape(form).replace(r"\ ", r"\s+").replace("'", "['’]") + ends[form]
        for form in sorted(others, key=len, reverse=True)
    ]
    return re.compile(rf"(?<![\w'’-])(?:{'|'.join(forms)})", re.IGNORECASE | re.ASCII), others


def _like_first(form: str, model: str) -> str:
    """The form in the capitals of another, whose 'I' is a capital in any place."""
    if model.isupper() and len(model.split()[0]) > 1:
        return form.upper()
    return form[0].upper() + form[1:] if model[0].isupper() else form


class Fillers(Transform):
    """A filler phrase before some sentences: 'You know, the …'."""

    name = "fillers"
    rationale = "Fillers add nothing to what is claimed."
    citation = "Clark and Fox Tree, Using uh and um in spontaneous speaking (Cognition 2002)"
    keeps_words = False
    SHARE = 0.8

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        share, openings = self.strength * self.SHARE, tables.read("fillers")["openings"]
        safe = tables.word_set("fillers", "safe_openers")
        for sentence in sentences_of(text):
            first = WORDS.search(sentence[0])
            # Where the first word is none of these, its capital may be a name's; 'I' keeps it in any case.
            if first is None or first[0].casefold() not in safe | {"i"} or sentence[0][: first.start()].strip():
                continue
            if random.random() < share:
                start, end = (sentence.start() + place for place in first.span())
                word = first[0] if first[0] == "I" else first[0].lower()
                yield start, end, f"{random.choice(openings)} {word}"


class SpellingVariants(WordTransform):
    """British spellings for American ones, and the reverse."""

    name = "spelling_variants"
    rationale = "Both spellings are of one word."
    citation = "Belinkov and Bisk, Synthetic and natural noise both break neural machine translation (ICLR 2018)"
    SHORTEST = 2

    def change(self, word: str, random: Random) -> str:
        other = spelling_pairs().get(word.lower())
        return like(other, word) if other else word


@cache
def spelling_pairs() -> dict[str, str]:
    """Each American spelling's British one, and the reverse."""
    pairs: dict[str, str] = {}
    for row in tables.read("variants")["rows"]:
        stems, *endings = row.split()
        american, british = stems.split("/")
        for ending in ("" if ending == "-" else ending for ending in endings):
            pairs |= {american + ending: british + ending, british + ending: american + ending}
    return pairs


class SentenceOrder(Transform):
    """Neighbouring sentences swapped, unless one of them begins with what refers to another."""

    name = "sentence_order"
    rationale = "Of two sentences that stand by themselves, the order does not matter to the whole."
    citation = "Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020)"
    keeps_words = False

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        waiting = None
        for sentence in sentences_of(text):
            body = sentence[0].strip()
            if not _stands_alone(body):
                waiting = None
                continue
            start = sentence.start() + sentence[0].index(body)
            between = "" if waiting is None else text[waiting[1] : start]
            if waiting is None or between.strip() or random.random() >= self.strength:
                waiting = start, start + len(body), body
            else:
                yield waiting[0], start + len(body), body + between + waiting[2]
                waiting = None


def _stands_alone(sentence: str) -> bool:
    """Whether it is a whole sentence, with its mark, that begins with nothing that refers to another one."""
    first = re.match(WORD, sentence)
    if first is None or not first[0][0].isupper() or not re.search(r"[.!?][\"')\]”’]*\Z", sentence):
        return False
    return re.split("['’]", first[0].casefold())[0] not in tables.word_set("words", "connectives")


class Names(Transform):
    """First names and numbers swapped for others, the same for the same throughout a text; never a score."""

    name = "names"
    rationale = "Who is called what, and in which year, decides no label; marks out of ten would, and stay."
    citation = "Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020)"
    NUMBER = re.compile(
        r"(?<![\w.,/:$£€%#*'’-])(?:(?:19|20)\d\d|[2-9]\d|1[1-9])(?![\w%*'’-]|[.,/:]\d|\s*/|\s*(?:out\b|stars?\b|points?\b))"
    )

    def edits(self, text: str, random: Random) -> list[Edit]:
        swaps: dict[str, str] = {}
        edits = []
        for match in words_of(text):
            names = name_lists().get(match[1])
            if names is not None and match[1] not in swaps:
                swaps[match[1]] = random.choice(names) if random.random() < self.strength else match[1]
            if names is not None:
                edits.append((*match.span(1), swaps[match[1]]))
        for match in self.NUMBER.finditer(text):
            if match[0] not in swaps:
                swaps[match[0]] = _other_number(match[0], random) if random.random() < self.strength else match[0]
            edits.append((*match.span(), swaps[match[0]]))
        return sorted(edits)


@cache
def name_lists() -> dict[str, list[str]]:
    """Each first name's list of names to choose from."""
    lists = [sorted(tables.word_set("names", kind)) for kind in ("women", "men")]
    return {name: names for names in lists for name in names}


def _other_number(number: str, random: Random) -> str:
    """A number with as many digits: of a year, one of its decade."""
    return number[:-1] + random.choice([digit for digit in "123456789" if digit != number[-1]])
