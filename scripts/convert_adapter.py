"""Turn a bottleneck adapter or a fusion from AdapterHub's format into PEFT's, or back, without losing a bit.

    python scripts/convert_adapter.py AdapterHub/bert-base-uncased-pf-rte runs/rte_peft --to peft
    python scripts/convert_adapter.py runs/rte runs/rte_adapterhub --to adapterhub

The first downloads an adapter and writes one that `PeftModel.from_pretrained` loads (after `import
custom_models.bottleneck`); the second writes a run's adapter, pfeiffer or parallel, so that `adapters` loads it with
`load_adapter(…, use_safetensors=True)`. Both print what they wrote: placement, size, weights, head, and the folder.
`adapters` cannot share a bottleneck between insertions, as the strategy houlsby does: `--unshare` writes copies.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main

FORMATS = ("peft", "adapterhub")


@dataclass
class ConvertArguments:
    """The adapter, and what it becomes."""

    source: str = option("", "folder or Hub repository of the adapter or fusion to convert", positional=True)
    target: str = option(
        "", "folder to write; new or empty, unless --overwrite_output_dir", positional=True, output="folder"
    )
    to: str | None = option(None, "the format to write (default: the other one)", choices=FORMATS)
    name: str | None = option(None, "its name in AdapterHub's format (default: that of the source's folder)")
    with_head: bool = option(True, "convert the prediction head too, if there is one")
    unshare: bool = option(False, "to adapterhub: copy bottlenecks that insertions share; reads the base model too")
    overwrite_output_dir: bool = option(False, "write into a folder that is not empty")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(ConvertArguments, __doc__)
    if arguments.unshare and arguments.to == "peft":
        raise UserError("--unshare is for --to adapterhub; our own format can share")
    target = check_target(arguments)

    # ---- The adapter (heavy imports come after parsing, so that --help is quick)
    from workbench.hub.fetch import fetch_adapter, reading

    folder = fetch_adapter(arguments.source)
    if arguments.to is None:
        arguments.to = "adapterhub" if arguments.unshare or is_peft(folder) else "peft"
        print(f"No --to is given: {arguments.source} is converted to {arguments.to}'s format")

    # ---- Convert
    from custom_models.bottleneck import adapterhub

    name = arguments.name or adapterhub.name_there(arguments.source)
    with reading(arguments.source):
        if arguments.to == "peft":
            checkpoint = adapterhub.convert_to_peft(folder, arguments.target, with_head=arguments.with_head)
        elif arguments.unshare:
            checkpoint = unshare(arguments, name)
        else:
            checkpoint = adapterhub.convert_to_adapterhub(folder, arguments.target, name, arguments.with_head)

    # ---- Report
    print(checkpoint.describe())
    print(f"It is in {target}")


def check_target(arguments: ConvertArguments) -> Path:
    """The folder to write; UserError if there is something in its place."""
    target = Path(arguments.target)
    if target.is_file():
        raise UserError(f"{target}: a file; give a folder")
    if target.is_dir() and any(target.iterdir()) and not arguments.overwrite_output_dir:
        raise UserError(f"{target}: not empty; add --overwrite_output_dir, or choose another folder")
    return target


def is_peft(folder: str) -> bool:
    """Whether the folder holds an adapter of PEFT's, not AdapterHub's."""
    from workbench.hub.door import read_object

    path = Path(folder) / "adapter_config.json"
    return path.is_file() and "peft_type" in read_object(path)


def unshare(arguments: ConvertArguments, name: str):
    """Loads the adapter into its base model and saves it with a bottleneck for every insertion."""
    from custom_models.bottleneck import adapterhub
    from workbench.classification.loading import load_classifier

    model, _ = load_classifier(arguments.source)
    if not hasattr(model, "peft_config"):
        raise UserError(f"{arguments.source}: a whole model, not an adapter")
    return adapterhub.save_adapterhub(model, arguments.target, "default", True, name, arguments.with_head)


if __name__ == "__main__":
    run_main(main)
