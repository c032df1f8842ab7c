"""Turn a bottleneck adapter or a fusion from AdapterHub's format into PEFT's, or back, without losing a bit.

    python scripts/convert_adapter.py AdapterHub/bert-base-uncased-pf-rte runs/rte_peft --to peft
    python scripts/convert_adapter.py runs/rte_peft runs/rte_adapterhub --to adapterhub

The first downloads an adapter and writes one that `PeftModel.from_pretrained` loads (after `import
custom_models.bottleneck`); the second writes one that `adapters` loads with `load_adapter(…, use_safetensors=True)`.
Both print what they wrote: placement, size, weights, and the folder.
"""

from dataclasses import dataclass
from pathlib import Path

from workbench.arguments import option, parse_arguments
from workbench.errors import UserError, run_main

FORMATS = ("peft", "adapterhub")


@dataclass
class ConvertArguments:
    """Everything that the script can be told."""

    source: str = option("", "folder or Hub repository of the adapter or fusion to convert", positional=True)
    target: str = option("", "folder to write; new or empty, unless --overwrite_output_dir", positional=True)
    to: str | None = option(None, "the format to write", choices=FORMATS)
    name: str | None = option(None, "its name in AdapterHub's format (default: that of the source's folder)")
    with_head: bool = option(True, "convert the prediction head too, if there is one in AdapterHub's format")
    overwrite_output_dir: bool = option(False, "write into a folder that is not empty")


def main() -> None:
    # ---- Arguments
    arguments = parse_arguments(ConvertArguments, __doc__)
    if arguments.to is None:
        raise UserError(f"--to is missing: choose one of {', '.join(FORMATS)}")
    target = Path(arguments.target)
    if target.is_file():
        raise UserError(f"{target}: a file; give a folder")
    if target.is_dir() and any(target.iterdir()) and not arguments.overwrite_output_dir:
        raise UserError(f"{target}: not empty; add --overwrite_output_dir, or choose another folder")

    # ---- Convert (heavy imports come after parsing, so that --help is quick)
    from custom_models.bottleneck import adapterhub

    try:
        if arguments.to == "peft":
            checkpoint = adapterhub.convert_to_peft(arguments.source, arguments.target, with_head=arguments.with_head)
        else:
            checkpoint = adapterhub.convert_to_adapterhub(arguments.source, arguments.target, name=arguments.name)
    except ValueError as error:
        raise UserError(str(error)) from error

    # ---- Report
    print(checkpoint.describe())
    print(f"It is in {target}")


if __name__ == "__main__":
    run_main(main)
