"""Traced gradients: formulas against finite differences, the update, and files that are no network."""

from pathlib import Path

import pytest
import torch
import yaml

from workbench.errors import UserError
from workbench.gradients.network import (
    PARAMETERS,
    derivatives,
    forward,
    jacobian_distance,
    read_matrices,
    softmax_jacobian,
    update,
)

RECIPE = yaml.safe_load((Path(__file__).parents[2] / "scripts/recipes/gradients.yaml").read_text())


@pytest.fixture
def matrices():
    return read_matrices(RECIPE, "gradients.yaml")


@pytest.mark.parametrize("name", ["X", *PARAMETERS])
def test_a_formula_gives_what_a_small_step_does(matrices, name):
    found = {one.name: one for one in derivatives(matrices)}
    for place in range(matrices[name].numel()):
        sides = []
        for step in (1e-6, -1e-6):
            moved = {key: matrix.clone() for key, matrix in matrices.items()}
            moved[name].view(-1)[place] += step
            sides.append(float(forward(moved)["L"]))
        assert float(found[name].value.reshape(-1)[place]) == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-7)


def test_the_jacobian_leads_from_the_probabilities_to_the_outputs(matrices):
    values, found = forward(matrices), {one.name: one.value for one in derivatives(matrices)}
    by_probability = -values["Y"] / values["P"] / len(values["X"])
    through = torch.einsum("nj,njk->nk", by_probability, softmax_jacobian(values["O"]))
    torch.testing.assert_close(through, found["O"])
    assert jacobian_distance(torch.tensor([[1000.0, -1000.0, 0.0]], dtype=torch.float64)) < 1e-12


def test_the_update_moves_the_parameters_alone_and_lowers_the_loss(matrices):
    after = update(matrices, derivatives(matrices), 1.0)
    changed = {name for name in matrices if not torch.equal(matrices[name], after[name])}
    assert changed == {*PARAMETERS} and forward(after)["L"] < forward(matrices)["L"]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("H", [[0.5, -1.0, 0.25], [1.0, 0.5]], "H, row 2 has 2 numbers, row 1 has 3"),
        ("X", [[1.0, float("nan")]] * 3, "X, row 1: 'nan' is not a finite number"),
        ("X", [[1.0, True]] * 3, "X, row 1: 'True' is not a finite number"),
        ("U", [[1.0, -1.0]] * 4, "U is 4 × 2, but H is 2 × 3: M is 4 in one and 3 in the other"),
        ("b_U", [[0.0, 0.2]], "b_U: '[0.0, 0.2]' is not a finite number"),
        ("b_U", 3, "b_U: give a list of numbers"),
        ("Y", [[1, 0], [0, 1], [1, 1]], "Y, row 3: [1.0, 1.0] is not one-hot"),
        ("Y", [], "Y: give a list of rows"),
    ],
)
def test_what_is_no_network_is_said_with_its_place(name, value, says):
    with pytest.raises(UserError) as error:
        read_matrices(RECIPE | {name: value}, "mine.yaml")
    assert str(error.value).startswith("mine.yaml: ") and says in str(error.value)


def test_a_matrix_too_few_or_too_many_is_named():
    with pytest.raises(UserError, match="no U; give X, H"):
        read_matrices({name: value for name, value in RECIPE.items() if name != "U"}, "mine.yaml")
    with pytest.raises(UserError, match="'W' is unknown"):
        read_matrices(RECIPE | {"W": [[1]]}, "mine.yaml")
