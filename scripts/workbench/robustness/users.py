"""Transforms of the user's own: a function of a file of theirs, from text, random numbers and strength to text."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from workbench.errors import UserError, nearest

from .transform import Edit, Transform, difference


class UserTransform(Transform):
    """A user's function `(text, random, strength) -> text`, for example

    def shout(text, random, strength):
        words = text.split(" ")
        return " ".join(word.upper() if random.random() < strength else word for word in words)
    """

    rationale = "The user's own."
    citation = "The user's own file."
    keeps_words = False

    def __init__(self, place: str, strength: float = 0.5, seed: int = 0):
        super().__init__(strength, seed)
        self.place = place
        self.function = _load(place)
        self.name = self.function.__name__

    @property
    def identity(self) -> None:
        """What else the function goes by is unknown."""
        return None

    def __reduce__(self):
        # Other processes load the file anew: its functions are of no module that they could import.
        return UserTransform, (self.place, self.strength, self.seed)

    def edits(self, text: str, random: Random) -> Iterator[Edit]:
        try:
            result = self.function(text, random, self.strength)
        except Exception as error:
            raise UserError(f"{self.place}: {type(error).__name__}: {error}, on the text '{text[:80]}'") from error
        if not isinstance(result, str):
            raise UserError(f"{self.place}: returned {type(result).__name__}; return the transformed text")
        yield from difference(text, result)


def load_transform(place: str, strength: float = 0.5, seed: int = 0) -> UserTransform:
    """The transform of a function; `place` is its file and its name, 'mine.py:shout'.

    Raises:
        UserError: no such file or function, or a file that Python cannot run.
    """
    return UserTransform(place, strength, seed)


def _load(place: str) -> Callable[[str, Random, float], str]:
    path, colon, name = place.rpartition(":")
    if not colon or not name.isidentifier():
        raise UserError(f"transform_file: '{place}'; give a file and a function of it, mine.py:shout")
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    if spec is None:
        raise UserError(f"{path}: not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path}: Python cannot run this file: {type(error).__name__}: {error}") from error
    if not callable(function := getattr(module, name, None)):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UserError(f"{path}: no function '{name}'{nearest(name, functions)}")
    return function
