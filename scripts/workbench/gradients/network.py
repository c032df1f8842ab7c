"""A classifier with one hidden layer, small enough to write down: its values, every partial derivative, one update.

    Z = X H + b_H    A = ReLU(Z)    O = A U + b_U    P = softmax(O)    L = mean over the items of -Σ Y log P

Dimensions: N items, D inputs, M hidden units, K classes. After Rumelhart, Hinton and Williams 1986, "Learning
representations by back-propagating errors", written in matrices.
"""

from dataclasses import dataclass

import torch

from workbench.errors import UserError

# Name -> rows and columns.
SHAPES = {"X": "ND", "H": "DM", "b_H": "M", "U": "MK", "b_U": "K", "Y": "NK"}
PARAMETERS = ("H", "b_H", "U", "b_U")
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Derivative:
    """∂L/∂name: its formula, its value by that formula, and the largest distance to what autograd finds."""

    name: str
    formula: str
    value: torch.Tensor
    distance: float


def read_matrices(recipe: dict, where: str) -> dict[str, torch.Tensor]:
    """The matrices of a recipe, float64; UserError names the matrix, the row and what is wrong with it."""
    missing = [name for name in SHAPES if name not in recipe]
    unknown = sorted(set(recipe) - set(SHAPES))
    if missing or unknown:
        told = f"no {missing[0]}" if missing else f"'{unknown[0]}' is unknown"
        raise UserError(f"{where}: {told}; give {', '.join(SHAPES)} and nothing else")
    matrices = {name: _read(recipe[name], len(shape), f"{where}: {name}") for name, shape in SHAPES.items()}
    sizes: dict[str, tuple[int, str]] = {}
    for name, shape in SHAPES.items():
        for letter, size in zip(shape, matrices[name].shape, strict=True):
            first, owner = sizes.setdefault(letter, (size, name))
            if size != first:
                raise UserError(
                    f"{where}: {name} is {show_shape(matrices[name])}, but {owner} is "
                    f"{show_shape(matrices[owner])}: {letter} is {size} in one and {first} in the other"
                )
    for number, row in enumerate(matrices["Y"].tolist(), start=1):
        if sorted(row) != [0.0] * (len(row) - 1) + [1.0]:
            raise UserError(f"{where}: Y, row {number}: {row} is not one-hot; give one 1, and 0 for the other classes")
    return matrices


def _read(value, dimensions: int, where: str) -> torch.Tensor:
    rows = value if dimensions == 2 else [value]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        kind = "a list of rows, each a list of numbers" if dimensions == 2 else "a list of numbers"
        raise UserError(f"{where}: give {kind}, none of them empty")
    for number, row in enumerate(rows, start=1):
        place = f"{where}, row {number}" if dimensions == 2 else where
        if len(row) != len(rows[0]):
            raise UserError(f"{place} has {len(row)} numbers, row 1 has {len(rows[0])}")
        odd = next((cell for cell in row if not _is_number(cell)), None)
        if odd is not None:
            raise UserError(f"{place}: '{odd}' is not a finite number")
    matrix = torch.tensor(rows, dtype=torch.float64)
    return matrix if dimensions == 2 else matrix[0]


def _is_number(cell) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool) and abs(cell) < 1e100


def show_shape(matrix: torch.Tensor) -> str:
    """`2 × 3`."""
    return " × ".join(map(str, matrix.shape))


def forward(matrices: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every value from Z to the loss of each item (`losses`) and their mean (`L`)."""
    values = dict(matrices)
    values["Z"] = values["X"] @ values["H"] + values["b_H"]
    values["A"] = values["Z"].relu()
    values["O"] = values["A"] @ values["U"] + values["b_U"]
    values["P"] = values["O"].softmax(dim=1)
    # By log-softmax: a probability that is 0 in float64 still has a logarithm.
    values["losses"] = -(values["Y"] * values["O"].log_softmax(dim=1)).sum(dim=1)
    values["L"] = values["losses"].mean()
    return values


def derivatives(matrices: dict[str, torch.Tensor]) -> list[Derivative]:
    """Every partial derivative of L by its formula, from the loss back to the input, checked against autograd.

    Raises:
        UserError: a formula and autograd differ, as numbers too large for float64 may make them.
    """
    v = forward(matrices)
    count, found, formulas = len(v["X"]), {}, {}

    def put(name: str, formula: str, value: torch.Tensor) -> None:
        found[name], formulas[name] = value, formula

    put("O", "(P − Y) / N", (v["P"] - v["Y"]) / count)
    put("U", "Aᵀ · ∂L/∂O", v["A"].T @ found["O"])
    put("b_U", "Σ over the items of ∂L/∂O", found["O"].sum(dim=0))
    put("A", "∂L/∂O · Uᵀ", found["O"] @ v["U"].T)
    put("Z", "∂L/∂A ⊙ [Z > 0]", found["A"] * (v["Z"] > 0))
    put("H", "Xᵀ · ∂L/∂Z", v["X"].T @ found["Z"])
    put("b_H", "Σ over the items of ∂L/∂Z", found["Z"].sum(dim=0))
    put("X", "∂L/∂Z · Hᵀ", found["Z"] @ v["H"].T)
    checked = _by_autograd(matrices, list(found))
    distances = {name: float((found[name] - checked[name]).abs().max()) for name in found}
    worst = max(distances, key=distances.get)
    if not distances[worst] <= TOLERANCE * max(1.0, float(checked[worst].abs().max())):
        raise UserError(f"∂L/∂{worst}: the formula and autograd differ by {distances[worst]:g}; give smaller numbers")
    return [Derivative(name, formulas[name], found[name], distances[name]) for name in found]


def _by_autograd(matrices: dict[str, torch.Tensor], names: list[str]) -> dict[str, torch.Tensor]:
    leaves = {name: matrix.clone().requires_grad_(name != "Y") for name, matrix in matrices.items()}
    values = forward(leaves)
    return dict(zip(names, torch.autograd.grad(values["L"], [values[name] for name in names]), strict=True))


def softmax_jacobian(outputs: torch.Tensor) -> torch.Tensor:
    """(N, K, K) ∂P_j/∂O_k = e^{O_j}/s · (δ_jk − e^{O_k}/s) with s = Σ e^{O_i}, of (N, K) outputs."""
    shares = (outputs - outputs.amax(dim=1, keepdim=True)).exp()
    shares = shares / shares.sum(dim=1, keepdim=True)
    return torch.diag_embed(shares) - shares[:, :, None] * shares[:, None, :]


def jacobian_distance(outputs: torch.Tensor) -> float:
    """The largest distance of `softmax_jacobian` to autograd's."""
    rows = [torch.autograd.functional.jacobian(lambda row: row.softmax(dim=0), row) for row in outputs]
    return float((softmax_jacobian(outputs) - torch.stack(rows)).abs().max())


def update(matrices: dict[str, torch.Tensor], found: list[Derivative], rate: float) -> dict[str, torch.Tensor]:
    """The matrices after one step of gradient descent on the parameters."""
    gradients = {one.name: one.value for one in found}
    return {n: matrix - rate * gradients[n] if n in PARAMETERS else matrix for n, matrix in matrices.items()}
