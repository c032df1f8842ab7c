"""Checkpoints that are whole, and training that stops early."""

import json
import shutil
import sys
import time
import zlib
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from workbench.errors import UserError
from workbench.files import file_size, read_limited, write_whole
from workbench.processes import is_main_process
from workbench.termination import Patience

from .metrics import diverged_loss

WHOLE_FILE = "whole.json"
BLOCK = 1 << 20
MOST_STATE = 100_000_000  # bytes of a JSON file in a checkpoint
# Several processes without an accelerator load a checkpoint onto "cpu:0", a place that torch.load has no rule for.
torch.serialization.register_package(
    100, lambda storage: None, lambda storage, place: storage if place.startswith("cpu:") else None
)


class WholeCheckpoints(TrainerCallback):
    """Writes `whole.json` into a checkpoint once all else is there, and deletes older checkpoints after that alone.

    `whole.json` has the files' sizes and checksums, and the seconds trained so far. When SIGTERM has come, the next
    step ends with a checkpoint, and training with it.

    Args:
        seconds_before: of training, in earlier sessions of the run.
        limit: so many checkpoints are kept, and the best one in any case; None: all.
    """

    def __init__(self, seconds_before: float = 0.0, limit: int | None = None):
        self.seconds_before = seconds_before
        self.limit = limit
        self.started = None
        self.patience = Patience()

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions of the run."""
        return self.seconds_before + (0.0 if self.started is None else time.perf_counter() - self.started)

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        # After an epoch's last step, as after the run's, comes its evaluation: a checkpoint before that would skip it.
        is_last = float(state.epoch).is_integer() or control.should_training_stop
        if self.patience.has_come and not is_last and not control.should_evaluate:
            control.should_save = control.should_log = True
            self.patience.take_time()

    def on_save(self, args, state, control, **kwargs):
        PartialState().wait_for_everyone()  # each of several processes writes a file of its own
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            sizes = _file_sizes(folder)
            sums = {name: _checksum(folder / name) for name in sizes}
            write_whole(folder / WHOLE_FILE, json.dumps({"files": sizes, "crc32": sums, "seconds": self.seconds}))
            self._delete_older(Path(args.output_dir), state)
        self.patience.end_here()

    def _delete_older(self, folder: Path, state: TrainerState) -> None:
        kept = {state.global_step, state.best_global_step}
        older = [path for path in checkpoints_in(folder) if step_of(path) not in kept]
        room = len(older) if self.limit is None else max(0, self.limit - len(kept - {None}))
        for path in older[room:]:
            shutil.rmtree(path, ignore_errors=True)


def checkpoints_in(folder: str | Path) -> list[Path]:
    """The checkpoints that a run wrote into its folder, the newest first; what others call so is not ours."""
    found = [path for path in Path(folder).glob("checkpoint-*") if path.is_dir() and path.name[11:].isdecimal()]
    return sorted(found, key=step_of, reverse=True)


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _file_sizes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((WHOLE_FILE, "."))
    }


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value


def last_whole_checkpoint(folder: str | Path) -> tuple[str | None, float]:
    """The newest checkpoint that is as it was written, and the seconds trained by then; or (None, 0).

    Newer ones that are not whole are deleted, with a line about each: what is trained next takes their place.
    """
    found, seconds, broken = None, 0.0, []
    for checkpoint in checkpoints_in(folder):
        fault = find_fault(checkpoint)
        if fault is None:
            found, seconds = str(checkpoint), _read_json(checkpoint / WHOLE_FILE)["seconds"]
            break
        broken.append((checkpoint, fault))
    for checkpoint, fault in broken if is_main_process() else ():
        where = Path(found).name if found else "the beginning"
        print(f"{checkpoint}: {fault}; going on from {where}", file=sys.stderr)
        shutil.rmtree(checkpoint, ignore_errors=True)
    return found, seconds


def check_best(checkpoint: str | None) -> None:
    """UserError if the best checkpoint so far, with whose weights the resumed run may end, is not as it was written."""
    state = _read_json(Path(checkpoint) / TRAINER_STATE_NAME) if checkpoint else None
    if not state or state.get("best_global_step") is None:
        return
    best = Path(checkpoint).with_name(f"checkpoint-{state['best_global_step']}")
    fault = find_fault(best)
    if fault is not None:
        raise UserError(
            f"{best}: {fault}, and it is the best one so far: put it back as it was, or begin again with "
            "--overwrite_output_dir"
        )


def find_fault(checkpoint: Path) -> str | None:
    """How a checkpoint differs from what was written, in a few words; None where it does not."""
    if not (checkpoint / WHOLE_FILE).exists():
        return "was not written to its end"
    content = _read_json(checkpoint / WHOLE_FILE) or {}
    sizes, sums = content.get("files"), content.get("crc32", {})
    if not isinstance(sizes, dict) or not isinstance(sums, dict) or not isinstance(content.get("seconds"), int | float):
        return f"{WHOLE_FILE} is damaged"
    for name, size in sizes.items():
        path = checkpoint / name
        try:
            if file_size(path) != size or (name in sums and _checksum(path) != sums[name]):
                return f"{name} is damaged"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror})"
        except UserError:
            return f"{name} is missing, or not a file"
    return None


def _read_json(path: Path) -> dict | None:
    """A JSON object; None where there is none."""
    try:
        content = json.loads(read_limited(path, MOST_STATE))
    except (UserError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


class Divergence(TrainerCallback):
    """Ends a run whose validation loss is no number any more, before its weights are kept or its scores told."""

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        name = diverged_loss(metrics or {})
        if name is not None:
            raise UserError(
                f"training has diverged: {name} is {metrics[name]} at step {state.global_step}; try a lower "
                "--learning_rate, or more --warmup_steps"
            )

    on_predict = on_evaluate


class EarlyStopping(TrainerCallback):
    """Stops after `patience` evaluations in a row, by epochs or by steps, without a lower validation loss.

    It counts in the log that a checkpoint keeps, so that a resumed run ends where an uninterrupted one does;
    transformers' own counter begins again at zero.
    """

    def __init__(self, patience: int):
        self.patience = patience

    def is_over(self, state: TrainerState) -> bool:
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        return bool(losses) and len(losses) - 1 - losses.index(min(losses)) >= self.patience

    def on_evaluate(self, args, state, control, **kwargs):
        control.should_training_stop |= self.is_over(state)

    def no_more_steps(self, args: TrainingArguments, checkpoint: str | None) -> None:
        """If the run had stopped by itself at `checkpoint`, resuming it trains no further."""
        if checkpoint is not None:
            state = TrainerState.load_from_json(str(Path(checkpoint) / TRAINER_STATE_NAME))
            args.max_steps = state.global_step if self.is_over(state) else args.max_steps
