"""WordNet for the tests that need it; they are skipped, with the reason, where it is missing."""

import os

import pytest

from workbench.errors import UserError
from workbench.robustness import wordnet


def is_missing() -> str:
    """Why WordNet cannot be read; '' where it can, or must."""
    try:
        wordnet.reader()
    except UserError as error:
        return "" if os.environ.get("IGPAY_WORDNET") == "required" else str(error)
    return ""


MISSING = is_missing()
with_wordnet = pytest.mark.skipif(bool(MISSING), reason=MISSING or "WordNet is here")
