"""A hostile repository under each script and Space that would read it, and what is wrong with how that ends."""

import os
import re
import shutil
import zlib
from pathlib import Path

from support.encoder_folders import write_encoder
from support.forking import Forks, Outcome
from support.published_runs import write_run

from .repositories import CASES, Case

# What reads a valid folder of each kind.
READERS = {
    "translator": ("translate", "spaces/translator"),
    "decoder": ("translate", "spaces/translator"),
    "encoder": ("train_classifier",),
    "classifier": ("classify", "spaces/classifier"),
    "ours": ("classify", "spaces/classifier"),
    "lora": ("classify", "spaces/classifier"),
    "bottleneck": ("classify", "spaces/classifier"),
    "adapterhub": ("convert_adapter", "fuse"),
    "checkpoint": ("resume",),
}
TRAINED = {"classifier": ["full"], "ours": ["full", "--pooling", "mean"], "lora": ["lora"], "bottleneck": ["pfeiffer"]}
# Of how many trials one is made, unless all are asked for: of repositories that bring code, and of others.
SHARES = {"code": 2, "pickles": 2}
SHARE, ALL = 4, os.environ.get("IGPAY_BORDERS") == "all"
LONGEST_LINE, MOST_MEGABYTES = 2_000, 2_000
OWN_PLACES = (".run", "out", "tmp", "payload")


def write_valid_folders(forks: Forks, root: Path) -> None:
    """One small folder of each kind, as its script leaves it, and the data that the training ones had."""
    write_encoder(root / "encoder")
    write_encoder(root / "wide", hidden_size=64)
    write_run(root / "translator")
    write_run(root / "decoder", "decoder-only")
    rows = [f"w{2 + at % 50} w{3 + at % 40},{'good' if at % 2 else 'bad'}\n" for at in range(120)]
    (root / "data.csv").write_text("text,label\n" + "".join(rows))
    for name, options in TRAINED.items():
        trained(forks, root, root / name, *options)
    run(forks, root, "convert_adapter", root / "bottleneck", root / "adapterhub", "--to", "adapterhub")
    for name in ("classifier", "ours", "lora", "bottleneck"):
        if name == "classifier":
            shutil.copytree(root / name, root / "checkpoint")
            (root / "checkpoint" / "results.json").unlink()
        shutil.rmtree(next((root / name).glob("checkpoint-*")))


def trained(forks: Forks, root: Path, folder: Path, *options: str) -> None:
    run(forks, root, *train(root, root / "encoder", folder, *options))


def run(forks: Forks, root: Path, target: str, *arguments) -> None:
    outcome = forks.run(target, *arguments, folder=root)
    assert outcome.code == 0, outcome.stderr


def train(root: Path, encoder: Path, folder: Path, strategy: str = "frozen", *options) -> list:
    """A short training."""
    data = ["--train_file", root / "data.csv", "--num_train_epochs", 1, "--max_length", 16]
    places = ["--model_name_or_path", encoder, "--output_dir", folder]
    return ["train_classifier", *places, *data, "--strategy", strategy, *options]


def trials() -> list[tuple[Case, str]]:
    """Each hostile repository with what reads it; always the same choice, unless IGPAY_BORDERS=all."""
    pairs = [(case, target) for case in CASES for target in case.targets or READERS[case.base]]
    return [(case, target) for case, target in pairs if ALL or is_chosen(case, target)]


def is_chosen(case: Case, target: str) -> bool:
    return zlib.crc32(f"{case.name} {case.base} {target}".encode()) % SHARES.get(case.kind, SHARE) == 0


def command(target: str, folder: Path, base: str) -> list:
    """The script or Space and its arguments that read a folder."""
    case, root = folder.parent, folder.parents[1]
    kind, text = ("adapter", "w3 w9") if base in ("lora", "bottleneck") else ("model", "w3 w9")
    fused = ["fusion", "--adapters", folder, root / "bottleneck"]
    return {
        "translate": ["translate", folder, "street"],
        "classify": ["classify", folder, text],
        "train_classifier": train(root, folder, case / "out"),
        "fuse": train(root, root / "encoder", case / "out", *fused),
        "resume": train(root, root / "encoder", folder, "full", "--resume_from_checkpoint"),
        "convert_adapter": ["convert_adapter", folder, case / "out", "--to", "peft"],
        "ablate_adapters": ["ablate_adapters", folder],
        "compare": ["compare", f"one={root / 'lora'}", f"other={folder}"],
        "publish": ["publish", kind, folder, "you/it", "--dry_run"]
        + (["--base_model", "you/base"] if kind == "adapter" else []),
    }.get(target, [target])


def attempt(forks: Forks, root: Path, case: Case, target: str, *options: str) -> tuple[Outcome, list[str]]:
    """Makes the repository, has it read, and says what is wrong with how that ended; nothing, it should be."""
    place = root / "case"
    shutil.rmtree(place, ignore_errors=True)
    (place / "tmp").mkdir(parents=True)
    folder = place / "repository"
    shutil.copytree(root / case.base, folder)
    case.change(folder)
    before = names(place)
    variables = {"IGPAY_PAYLOAD": str(place / "payload"), "TMPDIR": str(place / "tmp"), "MODEL_ID": str(folder)}
    if case.base == "decoder":
        variables |= {"MODEL_ID": str(root / "translator"), "DECODER_ONLY_MODEL_ID": str(folder)}
    name, *arguments = command(target, folder, case.base)
    outcome = forks.run(name, *arguments, *options, folder=place, **variables)
    writes_there = target in ("ablate_adapters", "resume")
    new = {path for path in names(place) - before if not (writes_there and path.startswith("repository/"))}
    return outcome, [
        *faults(outcome, case.may_load),
        *(f"outside: wrote {path}" for path in sorted(new)[:3]),
        *acted(place),
    ]


def names(place: Path) -> set[str]:
    """Everything below a folder but what a run may write."""
    paths = (path.relative_to(place) for path in place.rglob("*"))
    return {str(path) for path in paths if path.parts[0] not in OWN_PLACES}


def acted(place: Path) -> list[str]:
    payload = place / "payload"
    return [f"payload: {payload.read_text().split()}"] if payload.exists() else []


def faults(outcome: Outcome, may_load: bool) -> list[str]:
    """What is wrong with how a run ended, each beginning with its class."""
    said, lines = outcome.stdout + outcome.stderr, [line for line in outcome.stderr.splitlines() if line.strip()]
    found = []
    if outcome.code < 0:
        return [f"hang: ended by signal {-outcome.code} after {outcome.seconds:.0f} s of the processor"]
    if "Traceback (most" in said:
        found.append(f"traceback: {lines[-1][:200]}")
    elif outcome.code == 0 and not may_load:
        found.append("loaded: it should have been refused")
    elif outcome.code not in (0, 2):
        found.append(f"exit: code {outcome.code}: {lines[-1:]}")
    elif outcome.code == 2 and (len(lines) != 1 or not lines[0].startswith("error: ")):
        found.append(f"lines: {len(lines)} on stderr: {lines[0][:200]}")
    elif outcome.code == 2 and len(lines[0]) > LONGEST_LINE:
        found.append(f"lines: {len(lines[0]):,} letters")
    if outcome.megabytes > MOST_MEGABYTES or re.search("(?i)alloc|memoryerror|out of memory", outcome.stderr):
        found.append(f"memory: {outcome.megabytes:,} MB: {lines[-1:]}"[:300])
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", said):
        found.append("terminal: control characters of a stranger's")
    return found
