"""The worth of trained adapters, layer by layer: the score with those of every span of layers removed.

Houlsby et al. 2019, section 3.6 and figure 6. Nothing is trained again, and nothing is computed twice: a span that
begins at layer i reuses the states below i, and one that ends at j those of the same span ended at j - 1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import numpy
import torch

from custom_models.bottleneck import BottleneckLayer
from workbench.errors import UserError

from .encoders import encoder_layers

Span = tuple[int, int]


def spans_of(count: int) -> list[Span]:
    """All (first, last) of `count` layers, the longer ones of the same beginning behind the shorter."""
    return [(first, last) for first in range(count) for last in range(first, count)]


def adapted_layers(model) -> list:
    """The encoder's layers, from the bottom; UserError if no bottleneck adapter is in them."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = encoder_layers(base)
    if not any(isinstance(module, BottleneckLayer) for layer in layers for module in layer.modules()):
        raise UserError("this run has no bottleneck adapters to remove: train one with --strategy houlsby, say")
    return layers


@contextmanager
def without_adapters(layer) -> Iterator[None]:
    """The adapters in an encoder layer add nothing; LayerNorms that were trained beside them stay."""
    wrapped = [module for module in layer.modules() if isinstance(module, BottleneckLayer)]
    for module in wrapped:
        module.added = _nothing
    try:
        yield
    finally:
        for module in wrapped:
            del module.added


def _nothing(name: str, states: torch.Tensor, *residuals: torch.Tensor) -> torch.Tensor:
    return sum(residuals)


@contextmanager
def _replaced(layers: list, forwards: dict[int, Callable]) -> Iterator[None]:
    """Layers by index run another forward."""
    for index, forward in forwards.items():
        layers[index].forward = forward
    try:
        yield
    finally:
        for index in forwards:
            del layers[index].forward


@torch.inference_mode()
def span_logits(model, layers: list, batch: dict[str, torch.Tensor]) -> dict[Span | None, numpy.ndarray]:
    """(B, classes) logits of a batch: under None of the whole model, under each span without that span's adapters."""
    # Whatever a layer returns (a tensor, a tuple) is kept as it is.
    kept: dict[int, object] = {}
    record = {index: _recording(layer.forward, index, kept) for index, layer in enumerate(layers)}
    with _replaced(layers, record):
        logits: dict[Span | None, numpy.ndarray] = {None: _logits(model, batch)}
    bare: dict[int, object] = {}
    for first, last in spans_of(len(layers)):
        known = {index: kept[index] for index in range(first)} | {index: bare[index] for index in range(first, last)}
        forwards = {index: _returning(output) for index, output in known.items()}
        forwards[last] = _recording(layers[last].forward, last, bare)
        with without_adapters(layers[last]), _replaced(layers, forwards):
            logits[first, last] = _logits(model, batch)
    return logits


@torch.inference_mode()
def span_logits_naively(model, layers: list, batch: dict[str, torch.Tensor]) -> dict[Span | None, numpy.ndarray]:
    """The same as `span_logits`, by a whole pass for each; to measure against."""
    logits: dict[Span | None, numpy.ndarray] = {}
    for span in [None, *spans_of(len(layers))]:
        removed = [] if span is None else layers[span[0] : span[1] + 1]
        with _all(removed):
            logits[span] = _logits(model, batch)
    return logits


@contextmanager
def _all(removed: list) -> Iterator[None]:
    with without_adapters(removed[0]) if removed else nullcontext(), _all(removed[1:]) if removed else nullcontext():
        yield


def _recording(forward: Callable, index: int, outputs: dict[int, object]) -> Callable:
    def run(*inputs, **options):
        outputs[index] = forward(*inputs, **options)
        return outputs[index]

    return run


def _returning(output: object) -> Callable:
    return lambda *inputs, **options: output


def _logits(model, batch) -> numpy.ndarray:
    return model(**batch).logits.float().cpu().numpy()


def join(parts: list[dict], span: Span | None) -> numpy.ndarray:
    """(N, classes) logits of all batches for one span."""
    return numpy.concatenate([part[span] for part in parts])


def relative_changes(scores: dict[Span | None, float]) -> dict[Span, float]:
    """(score without the span's adapters - score of the whole model) / |score of the whole model|."""
    whole = scores[None]
    if not whole:
        raise UserError("the whole model's score is 0, so that no change can be relative to it: train it longer")
    return {span: (score - whole) / abs(whole) for span, score in scores.items() if span is not None}
