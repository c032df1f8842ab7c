"""Changes to a text that a reader would give the same label: seeded by the text itself, with a record that undoes them.

A transform's result depends on its seed, its name and the text alone: on no order, batch, process or hash seed.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate, groupby
from os.path import commonprefix
from random import Random
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from workbench.errors import UserError

# (start, end, what stands there afterwards), in the order of the text and without overlap.
Edit = tuple[int, int, str]
WORD = r"[^\W\d_]+(?:['’][^\W\d_]+)*"
# What is text to a machine only: tags, entities, addresses, mentions and hashtags.
TAG = "<[a-zA-Z/!][^<>]{0,500}>"
MACHINE_TEXT = rf"{TAG}|&#?\w{{1,10}};|\bhttps?://\S+|\bwww\.\S+|(?<![\w.+-])[\w.+-]{{1,64}}@[\w-]+\.[\w.]+|[@#]\w+"
WORDS = re.compile(f"({WORD})")
WORDS_OR_MACHINE_TEXT = re.compile(f"(?:{MACHINE_TEXT})|({WORD})")
MAY_HOLD_MACHINE_TEXT = re.compile("[<&@#]|://|www")
# A sentence, as group 1, ends with its mark and what closes behind it, or before a line's end or a tag.
SENTENCES = re.compile(
    rf"{TAG}|((?:[^.!?\n<]++|(?:(?<=\b[A-Z])|(?<=\b[DMS][rst])|(?<=\bMrs)|(?<=\bvs)|(?<=\betc))\.(?=\s)"
    rf"|[.!?](?![\s\"')\]”’.!?<]|\Z)|<(?![a-zA-Z/!]))++(?:[.!?]+[\"')\]”’]*)?)"
)
MOST_COMPARED = 10**8  # words times words; the comparison takes a bit of memory for each


class Change(NamedTuple):
    """A place that was changed.

    Args:
        start, end: the place in the text that the `step` was given, in characters.
        before, after: what stood there, and what stands there now.
        transform: the name of the transform.
        step: of several transforms, which one, counted from 0.
    """

    start: int
    end: int
    before: str
    after: str
    transform: str
    step: int = 0


class Transformed(NamedTuple):
    """A text after a transform, and what was changed, step by step and from left to right."""

    text: str
    changes: tuple[Change, ...]


class Transform:
    """One kind of change; a subclass says where and what in `edits`.

    Attributes:
        name: as in the catalogue.
        rationale: why a reader would give the same label.
        citation: where this kind of change was studied or is documented.
        keeps_words: whether each piece between white space stays one piece in its place.
        only_if_named: whether 'all' leaves it out: a reader may see something strange, or it needs a model.
    """

    name = ""
    rationale = ""
    citation = ""
    keeps_words = True
    only_if_named = False
    steps = 1

    def __init__(self, strength: float = 0.5, seed: int = 0):
        if not 0 <= strength <= 1:
            raise UserError(f"strength is {strength}: give a number from 0 (nothing changes) to 1")
        self.strength = strength
        self.seed = seed

    def edits(self, text: str, random: Random) -> Iterable[Edit]:
        """The places to change."""
        raise NotImplementedError

    def transform(self, text: str, step: int = 0) -> Transformed:
        """The text with its changes, which bear the number `step`; at strength 0, or where nothing fits, the same."""
        if self.strength == 0 or not text:
            return Transformed(text, ())
        pieces, changes, reached = [], [], 0
        for start, end, after in self.edits(text, self.random_of(text)):
            before = text[start:end]
            if before != after:
                pieces += (text[reached:start], after)
                changes.append(Change(start, end, before, after, self.name, step))
                reached = end
        pieces.append(text[reached:])
        return Transformed("".join(pieces), tuple(changes))

    @property
    def identity(self) -> str | None:
        """Equal for transforms that make the same of every text; None where that cannot be known."""
        return f"{self.name} {self.strength} {self.seed}"

    def random_of(self, text: str) -> Random:
        """The random numbers of a text."""
        told = f"{self.seed}\0{self.name}\0{text}".encode("utf-8", "surrogatepass")
        return Random(int.from_bytes(blake2b(told, digest_size=8).digest(), "big"))


class Compose(Transform):
    """Several transforms, each on the text that the one before it made."""

    def __init__(self, transforms: Sequence[Transform]):
        strength = max((part.strength for part in transforms), default=0)
        super().__init__(strength, transforms[0].seed if transforms else 0)
        self.transforms = tuple(transforms)
        self.name = "+".join(part.name for part in transforms)
        self.rationale = " ".join(part.rationale for part in transforms)
        self.citation = " ".join(dict.fromkeys(part.citation for part in transforms))
        self.keeps_words = all(part.keeps_words for part in transforms)
        self.only_if_named = any(part.only_if_named for part in transforms)
        self.steps = sum(part.steps for part in transforms)

    @property
    def identity(self) -> str | None:
        parts = [part.identity for part in self.transforms]
        return None if None in parts else " + ".join(parts)

    def transform(self, text: str, step: int = 0) -> Transformed:
        changes: list[Change] = []
        for part in self.transforms:
            text, made = part.transform(text, step)
            changes += made
            step += part.steps
        return Transformed(text, tuple(changes))


def apply_changes(original: str, changes: Iterable[Change]) -> str:
    """The text that these changes make of the original; ValueError where they are of another text."""
    text = original
    for _, of_step in groupby(changes, key=lambda change: change.step):
        pieces, reached = [], 0
        for change in of_step:
            if change.start < reached or text[change.start : change.end] != change.before:
                raise ValueError(f"no '{change.before}' at {change.start} to {change.end}")
            pieces += (text[reached : change.start], change.after)
            reached = change.end
        text = "".join((*pieces, text[reached:]))
    return text


def undo_changes(transformed: str, changes: Iterable[Change]) -> str:
    """The text before these changes; ValueError where they are of another text."""
    steps = [list(of_step) for _, of_step in groupby(changes, key=lambda change: change.step)]
    return apply_changes(transformed, [change for of_step in reversed(steps) for change in _reversed(of_step)])


def _reversed(changes: list[Change]) -> Iterator[Change]:
    """The changes that undo those of a step."""
    shift = 0
    for start, _, before, after, transform, step in changes:
        yield Change(start + shift, start + shift + len(after), after, before, transform, step)
        shift += len(after) - len(before)


def changes_to_json(changes: Iterable[Change]) -> str:
    """The record as a list of objects."""
    return json.dumps([change._asdict() for change in changes], ensure_ascii=False)


def changes_from_json(record: str) -> tuple[Change, ...]:
    return tuple(Change(**fields) for fields in json.loads(record))


def marked(before: str, after: str) -> tuple[str, str]:
    """Both texts, with «marks» around the words in which they differ."""
    ours, theirs, reached = [], [], 0
    for start, end, put in difference(before, after):
        ours += (before[reached:start], f"«{before[start:end]}»")
        theirs += (before[reached:start], f"«{put}»")
        reached = end
    return "".join((*ours, before[reached:])), "".join((*theirs, before[reached:]))


def words_of(text: str) -> Iterator[re.Match]:
    """The words of a text, as group 1: letters with inner apostrophes; none within tags, addresses and mentions."""
    if not MAY_HOLD_MACHINE_TEXT.search(text):
        return WORDS.finditer(text)
    return (match for match in WORDS_OR_MACHINE_TEXT.finditer(text) if match[1])


def sentences_of(text: str) -> Iterator[re.Match]:
    """The sentences of a text, as group 1; line ends and tags stand between them."""
    return (match for match in SENTENCES.finditer(text) if match[1])


def like(word: str, model: str) -> str:
    """The word in the capitals of another one."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def difference(before: str, after: str) -> list[Edit]:
    """Edits that make one text of another: the words that differ; of very long texts, all from first to last."""
    ours, theirs = re.split(r"(\s+)", before), re.split(r"(\s+)", after)
    if len(ours) * len(theirs) > MOST_COMPARED:
        head = len(commonprefix((before, after)))
        tail = len(commonprefix((before[head:][::-1], after[head:][::-1])))
        return [(head, len(before) - tail, after[head : len(after) - tail])]
    starts = [0, *accumulate(map(len, ours))]
    edits = []
    for is_equal, codes in groupby(Levenshtein.opcodes(ours, theirs), key=lambda code: code.tag == "equal"):
        if not is_equal:
            first, *_, last = [*codes] * 2
            put = "".join(theirs[first.dest_start : last.dest_end])
            edits.append((starts[first.src_start], starts[last.src_end], put))
    return edits
