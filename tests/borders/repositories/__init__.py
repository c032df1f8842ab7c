"""Hostile repositories: valid tiny folders, each changed by a stranger in one way."""

from . import adapters, code, configs, files, generation, jsons, pickles, runs, tokenizers, weights
from .case import CASES, Case

KINDS = (adapters, code, configs, files, generation, jsons, pickles, runs, tokenizers, weights)
__all__ = ["CASES", "KINDS", "Case"]
