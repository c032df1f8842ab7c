"""Publish a model, an adapter, the Pig Latin pairs, a metric or a Space on the Hugging Face Hub.

    python scripts/publish.py model runs/translator you/pig-latin --dry_run
    python scripts/publish.py model runs/translator you/pig-latin

The first lists every file with its size and shows the card, and touches nothing; the second pushes them in one commit
and prints the repository's address. The same command again updates it. Log in with `hf auth login`, or set HF_TOKEN.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main

KINDS = ("model", "adapter", "dataset", "metric", "space")
# The options that only some kinds read.
ONLY = {"dataset_id": ("model",), "seed_runs": ("model",), "base_model": ("adapter",)}


@dataclass
class PublishArguments:
    """The package, and where it goes."""

    kind: str = option("", "what to publish", choices=KINDS, positional=True)
    source: str = option(
        "", "a run's folder, an adapter's, spaces/NAME, pig_latin, or a run's augmented.jsonl", positional=True
    )
    repo_id: str = option("", "the repository, OWNER/NAME; made if it is new", positional=True)
    private: bool = option(False, "make a new repository private; refuse one that is public")
    dry_run: bool = option(False, "show every file, its size and the card, and touch nothing")
    revision: str = option("main", "the branch to push to, made if there is none")
    dataset_id: str | None = option(None, "model: the Hub data set that the run was trained and tested on")
    seed_runs: list[str] = option(list, "model: folders of the same run with other seeds, for mean and deviation")
    base_model: str | None = option(None, "adapter: the base model's Hub name, if it was trained on a local folder")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(PublishArguments, __doc__)
    for name, kinds in ONLY.items():
        if getattr(arguments, name) and arguments.kind not in kinds:
            raise UserError(f"--{name} is for {' and '.join(kinds)}, not for {arguments.kind}")

    from workbench.hub.push import check_account, check_repo_id, check_revision, push

    check_repo_id(arguments.repo_id)
    check_revision(arguments.revision)
    if not arguments.dry_run:
        check_account(arguments.repo_id)

    # ---- Files and card
    package = make_package(arguments)
    if arguments.dry_run:
        print(package.describe(arguments.repo_id, arguments.private, arguments.revision))
        return

    # ---- Push
    url = push(package, arguments.repo_id, arguments.private, arguments.revision)
    print(f"{len(package.files)} files, {sum(package.sizes().values()):,} bytes, are at {url}")


def check_kind(arguments: PublishArguments) -> None:
    """UserError for a folder of runs or one that is being written, an adapter called a model or the reverse, or another
    base model than its own.
    """
    from workbench.runs.claims import claim
    from workbench.runs.folder import check_is_one_run

    folder = Path(arguments.source)
    check_is_one_run(arguments.source)
    for run in (folder, *map(Path, arguments.seed_runs)):
        claim(run, is_shared=True)
    has_adapter, has_model = ((folder / name).is_file() for name in ("adapter_config.json", "config.json"))
    if arguments.kind == "model" and has_adapter:
        raise UserError(f"{folder}: an adapter, without the model that it belongs to: publish.py adapter publishes it")
    if arguments.kind == "adapter" and has_model and not has_adapter:
        raise UserError(f"{folder}: a whole model, no adapter: publish.py model publishes it")
    if arguments.base_model:
        check_base_model(folder, arguments.base_model)


def check_base_model(folder: Path, base_model: str) -> None:
    """UserError if the Hub has a base model of that name of another kind or size than the adapter was trained on."""
    from huggingface_hub import hf_hub_download

    trained_on = Path(str(read_fields(folder / "adapter_config.json").get("base_model_name_or_path") or ""))
    ours = read_fields(trained_on / "config.json") or read_fields(folder / "config.json")
    try:
        theirs = read_fields(Path(hf_hub_download(base_model, "config.json")))
    except (OSError, ValueError):
        return  # not there yet, or not to be reached: nothing to compare with
    for name in ("model_type", "hidden_size", "num_hidden_layers", "vocab_size"):
        if name in ours and name in theirs and ours[name] != theirs[name]:
            raise UserError(
                f"--base_model {base_model}: its {name} is {theirs[name]}, the adapter was trained on {ours[name]}; "
                "publish the model that it was trained on, and name that"
            )


def read_fields(path: Path) -> dict:
    """A JSON object; {} where there is none."""
    from workbench.runs.schema import read_json

    try:
        return read_json(path)
    except UserError:
        return {}


def make_package(arguments: PublishArguments):
    """The content of the repository."""
    from workbench.hub import packages
    from workbench.hub.fetch import check_loads

    source, repo_id = arguments.source, arguments.repo_id
    if arguments.kind in ("model", "adapter"):
        check_kind(arguments)
    if arguments.kind == "model":
        package = packages.model_package(source, repo_id, arguments.dataset_id, arguments.seed_runs)
        check_loads(source)
        return package
    if arguments.kind == "adapter":
        return packages.adapter_package(source, repo_id, arguments.base_model)
    make = {
        "dataset": packages.dataset_package,
        "metric": packages.metric_package,
        "space": packages.space_package,
    }
    return make[arguments.kind](source, repo_id)


if __name__ == "__main__":
    run_main(main)
