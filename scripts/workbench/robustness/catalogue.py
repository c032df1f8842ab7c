"""The transforms by name, and those that a user's own file adds."""

from workbench.errors import UserError, nearest

from .spelling import Typos
from .transform import Compose, Transform
from .users import load_transform

TRANSFORMS: dict[str, type[Transform]] = {kind.name: kind for kind in (Typos,)}


def make_transforms(
    names: list[str], strength: float = 0.5, seed: int = 0, transform_file: str | None = None
) -> Transform:
    """The transforms of these names, one after the other, the user's own (`mine.py:shout`) last.

    Raises:
        UserError: no name, an unknown one, a strength outside of 0 to 1, or a file without such a function.
    """
    parts = [find_transform(name)(strength, seed) for name in split_names(names)]
    if transform_file:
        parts.append(load_transform(transform_file, strength, seed))
    if not parts:
        raise UserError(f"no transform is named; there are {', '.join(TRANSFORMS)}")
    return parts[0] if len(parts) == 1 else Compose(parts)


def split_names(names: list[str]) -> list[str]:
    """The names, those with commas between them too."""
    return [name for part in names for name in part.split(",") if name]


def find_transform(name: str) -> type[Transform]:
    """The transform of this name; UserError names the nearest."""
    if name not in TRANSFORMS:
        raise UserError(f"no transform '{name}'{nearest(name, list(TRANSFORMS))}; there are {', '.join(TRANSFORMS)}")
    return TRANSFORMS[name]
