"""Every gradient of a small classifier, by hand and by autograd: from a file of its matrices to one update.

    python scripts/trace_gradients.py scripts/recipes/gradients.yaml
    python scripts/trace_gradients.py mine.yaml --learning_rate 0.1 --output_dir runs/mine

FILE has X, H, b_H, U, b_U and the one-hot Y of a network with one hidden layer (ReLU, softmax, cross-entropy). Prints
every value, every partial derivative with its formula, the Jacobian of softmax, one update, and the loss of each item
before and after it; all of it stands in OUTPUT_DIR/README.md, with the computation graph and its dimensions (graph.png)
and the numbers (gradients.json).
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main
from workbench.recipes import read_recipe


@dataclass
class GradientArguments:
    """The network, and the update."""

    file: str = option("", "YAML file of the matrices, each a list of rows", positional=True)
    learning_rate: float = option(1.0, "rate of the update", minimum=0, maximum=1e6)
    output_dir: str = option("runs/gradients", "folder of the page, the graph and the numbers", output="folder")


def main() -> None:
    arguments = parse_arguments(GradientArguments, __doc__)

    from workbench.gradients.network import derivatives, read_matrices
    from workbench.gradients.report import write_page

    matrices = read_matrices(read_recipe(arguments.file), arguments.file)
    found = derivatives(matrices)
    folder = open_folder(arguments.output_dir)
    print(write_page(folder, matrices, found, arguments.learning_rate))
    print(folder)


def open_folder(name: str) -> Path:
    """The folder of the page, made if it is new; UserError if it holds another page."""
    folder = Path(name)
    if (folder / "README.md").exists() and not (folder / "gradients.json").exists():
        raise UserError(f"{folder}: its README.md is another page and stays; choose another --output_dir")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    run_main(main)
