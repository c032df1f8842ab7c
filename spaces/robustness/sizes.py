# The same as scripts/workbench/hub/sizes.py
"""A bound on what is built: a model may hold about as much as its weights do, however much its config asks for.

It imports nothing of ours: the Spaces carry a copy of this file.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod

# Tied weights are written once for each of their names, and a new head may come on top.
GROWTH, MORE_NUMBERS = 8, 1 << 27
PARTS_PER_TENSOR, MORE_PARTS = 64, 20_000


@contextmanager
def bounded(shapes: Mapping[str, list[int]]) -> Iterator[None]:
    """Inside, a module that is built beyond the bound raises a ValueError, before its numbers are drawn.

    Args:
        shapes: by tensor, of all the weights that are to be loaded.
    """
    from torch.nn.modules import module as hooks

    most = GROWTH * sum(map(prod, shapes.values())) + MORE_NUMBERS
    most_parts = PARTS_PER_TENSOR * len(shapes) + MORE_PARTS
    sizes: dict[tuple[int, str], int] = {}
    total = 0

    def count(owner, name: str, part) -> None:
        nonlocal total
        size = part.numel() if hasattr(part, "numel") else 0
        total += size - sizes.get((id(owner), name), 0)
        sizes[id(owner), name] = size
        if total > most:
            raise ValueError(f"its config asks for more than its weights hold: '{name}' of {list(part.shape)}")
        if len(sizes) > most_parts:
            raise ValueError(f"its config asks for more parts than its {len(shapes)} weights can be of")

    handles = [
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
        hooks.register_module_module_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
