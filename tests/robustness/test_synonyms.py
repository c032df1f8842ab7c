"""Synonyms: the same part of speech, inflection and capitals; what must stay stays."""

import pytest
from support.wordnet import with_wordnet

from workbench.robustness.catalogue import make_transforms
from workbench.robustness.synonyms import choose_usage, same_polarity, sounds_like_vowel, synonyms

pytestmark = with_wordnet


def replaced(text: str, strength: float = 1.0, seeds: int = 12) -> dict[str, set[str]]:
    """Each word that any of some seeds changed, and what it became."""
    made: dict[str, set[str]] = {}
    for seed in range(seeds):
        for change in make_transforms(["synonyms"], strength, seed).transform(text).changes:
            made.setdefault(change.before, set()).add(change.after)
    return made


@pytest.mark.parametrize(
    ("word", "previous", "following", "expected"),
    [
        ("movie", "the", "was", "film"),
        ("movies", "the", "were", "films"),
        ("big", "a", "house", "large"),
        ("bigger", "a", "house", "larger"),
        ("started", "she", "again", "commenced"),
        ("starting", "is", "again", "beginning"),
        ("quickly", "they", "left", "rapidly"),
    ],
)
def test_part_of_speech_and_inflection_are_kept(word, previous, following, expected):
    assert expected in choose_usage(word, previous, following)


def test_capitals_are_restored():
    assert replaced("Movies are fun. MOVIES!")["Movies"] <= {"Films", "Pictures", "Flicks"}
    assert replaced("MOVIES of 1950")["MOVIES"] <= {"FILMS", "PICTURES", "FLICKS"}


def test_function_words_negations_and_names_stay():
    text = "I would not have believed that Will, never without Story or Big, was no one else's."
    assert set(replaced(text)) <= {"believed"}


def test_fixed_expressions_and_parts_of_words_stay():
    made = replaced("A high school, special effects, science fiction, a big-hearted movie-goer, the movie's end/start.")
    assert not {"high", "school", "special", "effects", "science", "fiction", "big", "movie", "end", "start"} & set(
        made
    )


def test_tags_and_addresses_stay():
    assert replaced("<big>the</big> http://movie.example/movie @movie #movie movie@movie.example") == {}


def test_the_article_still_fits():
    assert replaced("the mistake") == {"mistake": {"error", "fault"}}
    assert replaced("a mistake") == {"mistake": {"fault"}}


def test_a_form_that_stands_for_two_is_replaced_only_by_one_that_does_too():
    """'Started' may be a participle, and 'began' is none."""
    assert "began" not in choose_usage("started", "she", "again")
    assert "began" not in synonyms("started", "start", "VERB")


@pytest.mark.parametrize(("word", "answer"), [("hour", True), ("error", True), ("unit", False), ("film", False)])
def test_how_a_word_begins_is_heard(word, answer):
    assert sounds_like_vowel(word) is answer


def test_opposites_and_other_polarities_are_never_synonyms():
    assert not same_polarity("good", "awful") and same_polarity("good", "great") and same_polarity("film", "movie")
    assert "fishy" not in synonyms("funny", "funny", "ADJ")


def test_the_same_text_has_the_same_synonyms_beside_any_other():
    transform = make_transforms(["synonyms"], 0.5)
    text = "The movie starts quickly and the big story ends with a mistake."
    first = transform.transform(text)
    transform.transform("An actor plays a kid.")
    assert transform.transform(text) == first
