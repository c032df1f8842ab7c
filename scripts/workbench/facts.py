"""What a card says about a run, collected while it trains: data, hyperparameters, curve, hardware, energy."""

import os
import platform
import re
import resource
import time
from pathlib import Path

import torch
from transformers import TrainerCallback

from .results import process_count

HYPERPARAMETERS = (
    "learning_rate lr_scheduler_type warmup_steps weight_decay adam_beta1 adam_beta2 max_grad_norm num_train_epochs "
    "max_steps seed bf16 fp16 gradient_accumulation_steps"
).split()
EXAMPLES = 5
RAPL = Path("/sys/class/powercap")
JOULES_PER_KWH = 3.6e6


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
    """What an entry of Trainer's log says of an evaluation: its loss and metrics, without its speed."""
    speed = ("_runtime", "_per_second")
    names = [name for name in entry if name.startswith("eval_") and not name.endswith(speed)]
    return {name.removeprefix("eval_"): float(entry[name]) for name in names}


def describe_pairs(arguments, columns: list[str]) -> dict:
    """The data of a translator's run: its name (never a path), its Hub id if it has one, and its columns."""
    train_file = arguments.train_file
    if train_file is None:
        return {"name": f"generated Pig Latin pairs ({arguments.dataset_size})", "generated": True, "columns": columns}
    if Path(train_file).exists():
        return {"name": Path(train_file).name, "columns": columns}
    return {"name": train_file, "id": train_file, "columns": columns}


def describe_task(arguments, data) -> dict:
    """The data of a classifier's run: its name (never a path), its Hub id if it has one, labels, columns and metric."""
    described = {"name": data.task.name, "labels": data.label_names, "columns": list(data.splits["train"].column_names)}
    described["metric"] = data.task.metrics[0]
    described |= {"text_column": data.task.text_column, "pair_column": data.task.pair_column}
    if arguments.train_file is not None:
        exists = Path(arguments.train_file).exists()
        return described | ({"name": Path(arguments.train_file).name} if exists else {"id": arguments.train_file})
    return described | ({"id": data.task.hub_id} if data.task.hub_id else {"generated": True})


def peak_memory_mib() -> float:
    """This process's highest resident memory so far or, with an accelerator, the most that torch held on it; in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would also count the process that started this one.
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak_memory() -> None:
    """Has `peak_memory_mib` begin anew, where the system lets it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif os.access("/proc/self/clear_refs", os.W_OK):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): VmHWM becomes the present size


def describe_hardware() -> dict:
    """Processor, cores, memory in GiB and accelerators; nothing that names the machine."""
    hardware = {"processor": _processor_name(), "cores": os.cpu_count(), "memory_gib": _memory_gib()}
    if torch.cuda.is_available():
        hardware["accelerators"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {name: value for name, value in hardware.items() if value}


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (named or [platform.processor() or platform.machine()])[0]


def _memory_gib() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)


class EnergyMeter:
    """Joules that the processor packages used, from Linux's RAPL counters; None where they are not readable.

    The counters wrap round within minutes to hours, so `read` must be called more often than that.
    """

    def __init__(self, powercap: Path = RAPL):
        self.zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self.joules: float | None = None
        self.last: list[int] = []

    def start(self) -> None:
        counters = self._counters()
        if counters:
            self.joules, self.last = 0.0, counters

    def read(self) -> None:
        """Adds what was used since the last reading."""
        if self.joules is None:
            return
        counters = self._counters()
        if not counters:
            self.joules = None
            return
        for zone, before, now in zip(self.zones, self.last, counters, strict=True):
            wrapped = int((zone / "max_energy_range_uj").read_text()) if now < before else 0
            self.joules += (now + wrapped - before) / 1e6
        self.last = counters

    def _counters(self) -> list[int]:
        """Microjoules of each package; empty where there are none or only root may read them."""
        try:
            return [int((zone / "energy_uj").read_text()) for zone in self.zones]
        except OSError:
            return []
