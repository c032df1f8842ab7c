"""What visitors and strangers give to Spaces: each ends well, or in one line."""

import pytest
from borders.harness import cases_of, chosen

MODULE = "spaces"


@pytest.mark.parametrize("name", chosen(cases_of(MODULE)))
def test_ends_in_one_line_or_well(name, outcome_of):
    outcome = outcome_of(name)
    assert outcome.is_good, f"{outcome.verdict}: {outcome.detail}"
