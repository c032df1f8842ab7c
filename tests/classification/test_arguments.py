"""Options of a classifier's run that depend on others."""

from workbench.classification.arguments import fill_defaults
from workbench.strategies.catalogue import find_strategy

ASKED = {"task": "imdb", "strategy": "lora", "learning_rate": None, "max_length": None, "seed": 3}


def test_reviews_are_read_whole_and_rates_are_the_strategys():
    filled = fill_defaults(ASKED)
    assert filled == ASKED | {"learning_rate": find_strategy("lora").learning_rate, "max_length": 512}
    assert fill_defaults(ASKED | {"task": None})["max_length"] == 128


def test_what_is_asked_for_stays():
    asked = ASKED | {"learning_rate": 0.5, "max_length": 64}
    assert fill_defaults(asked) == asked
