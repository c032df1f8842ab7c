"""Columns that are guessed: by their names, and where these do not tell by what stands in them."""

import pytest

from workbench.data.columns import Columns, choose_columns, guess_columns
from workbench.data.tables import Table
from workbench.errors import UserError

ROWS = 40
TWEETS = [f"@someone said number {n} of the {n} things at http://t.co/{n}" for n in range(ROWS)]
MOODS = ["positive", "neutral", "negative", "negative"] * (ROWS // 4)


def table(**columns: list) -> Table:
    rows = len(next(iter(columns.values())))
    return Table("t.csv", list(columns), [[cells] for cells in columns.values()], range(2, rows + 2))


def guess(**columns: list) -> tuple[str, str | None, str]:
    guessed = guess_columns(table(**columns), Columns(""))
    return guessed.text, guessed.pair, guessed.label


def repeated(*values) -> list:
    return (list(values) * ROWS)[:ROWS]


def test_a_name_that_ends_in_a_usual_one_is_the_label_beside_other_classes():
    columns = {
        "tweet_id": [str(10**9 + 7 * n) for n in range(ROWS)],
        "airline_sentiment": MOODS,
        "airline_sentiment_confidence": repeated("1", "0.34"),
        "negativereason": repeated("", "Late Flight", "Lost Bag"),
        "airline": repeated("United", "Delta", "Southwest"),
        "text": TWEETS,
    }
    assert guess(**columns) == ("text", None, "airline_sentiment")


def test_of_a_class_and_its_number_the_class_is_taken_and_both_are_told():
    relevance = repeated("Relevant", "Not Relevant", "Can't Decide")
    number = [str(["Not Relevant", "Relevant", "Can't Decide"].index(value)) for value in relevance]
    notes = []
    found = choose_columns(table(text=TWEETS, choose_one=relevance, class_label=number), Columns(""), None, True, notes)
    assert found.label == "choose_one"
    assert "'class_label' only numbers what 'choose_one' names; 'choose_one' has 3 different values" in notes[0]


def test_a_usual_name_wins_over_what_stands_in_other_columns():
    columns = {"category": MOODS, "screenname": repeated("Citi", "Barclays"), "text": TWEETS}
    assert guess(**columns) == ("text", None, "category")


@pytest.mark.parametrize("index", ["column 1", "Unnamed: 0", "n"])
def test_an_unnamed_or_counting_first_column_is_an_index(index):
    """A course's own file, as pandas writes it."""
    counted = [str(n) for n in range(ROWS)]
    assert guess(**{index: counted, "input": TWEETS, "label": MOODS}) == ("input", None, "label")
    assert guess(**{index: counted, "remark": TWEETS, "verdict": MOODS}) == ("remark", None, "verdict")


def test_first_columns_that_only_look_like_an_index_are_read():
    assert guess(label=["0", "1", "2"], text=["a", "b", "c"]) == ("text", None, "label")
    assert guess(remark=["a b", "c d"], label=["0", "1"]) == ("remark", None, "label")


def test_running_text_under_an_unusual_name_is_the_text():
    columns = {"posted_date": repeated("2020-01-01 10:00:00 CET"), "remark": TWEETS, "label": MOODS, "lang": MOODS}
    assert guess(**columns) == ("remark", None, "label")
    assert guess(**columns | {"source": repeated("web app one", "phone app two")}) == ("remark", None, "label")


def test_of_two_texts_the_much_longer_one_is_taken_and_told():
    reasons: list[str] = []
    long = table(title=[f"a {n}" for n in range(ROWS)], body=TWEETS, label=MOODS)
    assert guess_columns(long, Columns(""), reasons=reasons).text == "body"
    assert reasons == ["'body' has longer texts than 'title'"]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"text": TWEETS, "airline": repeated("A", "B", "C"), "city": MOODS}, "which column is the label, airline or"),
        (
            {"left": TWEETS, "right": [f"{text} too" for text in TWEETS], "label": MOODS},
            "no column looks like the text",
        ),
        ({"text": TWEETS, "user_id": MOODS, "retweet_count": MOODS}, "no column looks like the label"),
        ({"text": TWEETS, "weight": repeated("0.5", "0.7"), "url": MOODS}, "no column looks like the label"),
    ],
)
def test_what_fits_twice_or_never_is_refused(columns, says):
    with pytest.raises(UserError, match=says):
        guess(**columns)
