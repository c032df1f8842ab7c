"""The transforms by name, and those that a user's own file adds."""

from workbench.errors import UserError, nearest

from .language_models import BackTranslation, MaskedLanguageModel, ModelTransform
from .spelling import Casing, Homoglyphs, OcrConfusions, Punctuation, Typos, Whitespace
from .synonyms import Synonyms
from .transform import Compose, Transform
from .users import load_transform
from .wording import Contractions, Fillers, Names, SentenceOrder, SpellingVariants

KINDS = (
    Synonyms,
    Typos,
    OcrConfusions,
    Casing,
    Punctuation,
    Contractions,
    Fillers,
    SpellingVariants,
    SentenceOrder,
    Names,
    Homoglyphs,
    Whitespace,
    MaskedLanguageModel,
    BackTranslation,
)
TRANSFORMS: dict[str, type[Transform]] = {kind.name: kind for kind in KINDS}


def make_transforms(
    names: list[str], strength: float = 0.5, seed: int = 0, transform_file: str | None = None
) -> Transform:
    """The transforms of these names, one after the other, the user's own (`mine.py:shout`) last.

    Args:
        names: as in the catalogue, `name=MODEL` for one that needs a model; "all" for those that need not be named.

    Raises:
        UserError: no name, an unknown one, a strength outside of 0 to 1, or a file without such a function.
    """
    parts = [make_transform(name, strength, seed) for name in split_names(names)]
    if transform_file:
        parts.append(load_transform(transform_file, strength, seed))
    if not parts:
        raise UserError(f"no transform is named; there are {', '.join(TRANSFORMS)}")
    return parts[0] if len(parts) == 1 else Compose(parts)


def split_names(names: list[str]) -> list[str]:
    """The single names of a list in which commas may join some, and "all" stand for many."""
    single = [name for part in names for name in part.split(",") if name]
    usual = [name for name, kind in TRANSFORMS.items() if not kind.only_if_named]
    return [name for part in single for name in (usual if part == "all" else [part])]


def make_transform(name: str, strength: float = 0.5, seed: int = 0) -> Transform:
    """The transform of this name, or of `name=MODEL`; UserError names the nearest."""
    name, _, model = name.partition("=")
    known = name if name in TRANSFORMS else f"{name}s"
    if known not in TRANSFORMS:
        raise UserError(f"no transform '{name}'{nearest(name, list(TRANSFORMS))}; there are {', '.join(TRANSFORMS)}")
    kind = TRANSFORMS[known]
    if issubclass(kind, ModelTransform):
        return kind(strength, seed, model)
    if model:
        raise UserError(f"{known} needs no model")
    return kind(strength, seed)
