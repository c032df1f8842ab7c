"""The machine that a run was on: processor, memory, energy."""

import os
import platform
import re
import sys
from pathlib import Path

import psutil
import torch

from workbench.errors import UserError

try:
    import resource
except ImportError:  # Windows
    resource = None

RAPL = Path("/sys/class/powercap")
JOULES_PER_KWH = 3.6e6


def peak_memory_mib() -> float:
    """This process's highest resident memory so far or, with an accelerator, the most that torch held on it; in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would also count the process that started this one.
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) / 1024
    if resource is None:
        return psutil.Process().memory_info().peak_wset / 2**20
    # getrusage(2): kilobytes, but bytes on macOS.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def check_memory(parameters: int) -> None:
    """UserError if a model of so many parameters cannot be trained in the machine's memory: weight, gradient, AdamW."""
    needed, present = 16 * parameters, psutil.virtual_memory().total
    if needed > present:
        raise UserError(
            f"a model of {parameters:,} parameters takes {needed / 2**30:,.0f} GiB to train, and this machine has "
            f"{present / 2**30:,.0f}: give a smaller hidden_size, fewer layers or positions"
        )


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
