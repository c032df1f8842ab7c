"""What a card says about a run, collected while it trains: data, hyperparameters, curve, hardware, energy."""

import time
from pathlib import Path

from transformers import TrainerCallback

from workbench.processes import process_count

from .hardware import JOULES_PER_KWH, RAPL, EnergyMeter, describe_hardware

HYPERPARAMETERS = (
    "learning_rate lr_scheduler_type warmup_steps weight_decay adam_beta1 adam_beta2 max_grad_norm num_train_epochs "
    "max_steps seed bf16 fp16 gradient_accumulation_steps"
).split()
EXAMPLES = 5


class FactsCollector(TrainerCallback):
    """Watches a training; `facts()` is what `results.json` and the card keep of it.

    Args:
        dataset: see `describe_pairs`.
        powercap: where Linux counts the processors' energy.
    """

    def __init__(self, dataset: dict, powercap: Path = RAPL):
        self.dataset = dataset
        self.meter = EnergyMeter(powercap)
        self.training: dict = {}

    def on_train_begin(self, args, state, control, **kwargs):
        hyperparameters = {name: getattr(args, name) for name in HYPERPARAMETERS}
        hyperparameters["lr_scheduler_type"] = str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type))
        hyperparameters["train_batch_size"] = state.train_batch_size or args.train_batch_size
        self.training = {"hyperparameters": hyperparameters, "hardware": describe_hardware()}
        # A resumed run's earlier energy is unknown, and one process cannot see another machine's.
        if state.global_step == 0 and process_count() == 1:
            self.meter.start()

    def on_log(self, args, state, control, **kwargs):
        self.meter.read()

    def on_train_end(self, args, state, control, **kwargs):
        self.training |= {
            "steps": state.global_step,
            "epochs": round(state.epoch or 0.0, 3),
            "best_step": state.best_global_step,
            "processes": process_count(),
            "curve": _curve(state.log_history),
        }
        self.meter.read()
        if self.meter.joules is not None:
            self.training["energy_kwh"] = self.meter.joules / JOULES_PER_KWH

    def facts(self, outcome: list[tuple[str, str, str]] = ()) -> dict:
        """All facts, with some of the test split's translations (source, target, written)."""
        wrong = [row for row in outcome if row[1] != row[2]]
        return {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "dataset": self.dataset,
            **self.training,
            "examples": [list(row) for row in outcome[:EXAMPLES]],
            "wrong": [list(row) for row in wrong[:EXAMPLES]],
        }


def _curve(log_history: list[dict]) -> list[dict[str, float]]:
    """Step, validation loss and the other validation scores of each evaluation."""
    return [
        {"step": entry["step"], **{f"validation_{name}": value for name, value in eval_scores(entry).items()}}
        for entry in log_history
        if "eval_loss" in entry
    ]


def eval_scores(entry: dict) -> dict[str, float]:
    """The scores in an entry of Trainer's log: loss and metrics of an evaluation, without its speed."""
    speed = ("_runtime", "_per_second")
    names = [name for name in entry if name.startswith("eval_") and not name.endswith(speed)]
    return {name.removeprefix("eval_"): float(entry[name]) for name in names}
