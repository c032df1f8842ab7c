"""Checkpoints that are whole, and training that stops early."""

import json
import time
from pathlib import Path

from transformers import TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from workbench.files import write_whole

WHOLE_FILE = "whole.json"


class WholeCheckpoints(TrainerCallback):
    """Writes `whole.json` into a checkpoint once all else is there: the files' sizes and the seconds trained so far."""

    def __init__(self, seconds_before: float = 0.0):
        self.seconds_before = seconds_before
        self.started = None

    @property
    def seconds(self) -> float:
        """Seconds of training, over all sessions of the run."""
        return self.seconds_before + (0.0 if self.started is None else time.perf_counter() - self.started)

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.perf_counter()

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            content = {"files": _file_sizes(folder), "seconds": self.seconds}
            write_whole(folder / WHOLE_FILE, json.dumps(content))


def _file_sizes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith((WHOLE_FILE, "."))
    }


def last_whole_checkpoint(folder: str | Path) -> tuple[str | None, float]:
    """The newest checkpoint that was written to its end, and the seconds trained by then; or (None, 0)."""
    steps = sorted(Path(folder).glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for checkpoint in steps:
        marker = checkpoint / WHOLE_FILE
        if not marker.exists():
            continue
        content = json.loads(marker.read_text(encoding="utf-8"))
        present = _file_sizes(checkpoint)
        if all(present.get(name) == size for name, size in content["files"].items()):
            return str(checkpoint), content["seconds"]
    return None, 0.0


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
