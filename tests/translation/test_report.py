"""The report of a translator's run: what it shows is of its own data."""

from workbench.translation.report import example_word


def test_the_example_is_a_word_of_the_runs_own_that_a_shell_takes():
    assert example_word(["re", "bambino", "precipitevolissimevolmente", "buon giorno"]) == "bambino"
    assert example_word(["c'è", "a"]) == "'c'\"'\"'è'"
    assert example_word(["precipitevolissimevolmente"]) == "precipitevolissimevolmente"
