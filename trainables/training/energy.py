"""Energy that a machine draws, by its own counters. What no counter tells is not guessed."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch

_ZONES: Final = Path("/sys/class/powercap")
_MICRO, _MILLI = 1e-6, 1e-3


@dataclass(frozen=True, slots=True)
class _Counter:
    """Counts up, and from 0 again where it is full."""

    source: str
    read: Callable[[], float]
    """Joules. Raises OSError, or what the GPU's library raises."""
    full: float
    """Joules at which it is; infinite where it never is."""


class EnergyMeter:
    """Counts from when it is made what the processor packages draw, and the GPU that computes: whoever else works there
    is counted too.
    """

    def __init__(self, device: torch.device) -> None:
        self._began = [(counter, before) for counter in _counters(device) if (before := _read(counter)) is not None]

    @property
    def source(self) -> str | None:
        """`rapl`, `nvml` or `rapl+nvml`; None where no counter can be read."""
        return "+".join(dict.fromkeys(counter.source for counter, _ in self._began)) or None

    def joules(self) -> float | None:
        """Since it was made; None where no counter can be read, or one cannot any more."""
        drawn = []
        for counter, before in self._began:
            if (now := _read(counter)) is None:
                return None
            drawn.append(now - before if now >= before else now - before + counter.full)
        return sum(drawn) if drawn else None


def _read(counter: _Counter) -> float | None:
    try:
        return counter.read()
    except Exception:  # noqa: BLE001 - a library of the GPU's maker raises what it likes, and no trial ends for it
        return None


def _counters(device: torch.device) -> Iterator[_Counter]:
    yield from _packages(_ZONES)
    if device.type == "cuda":
        with suppress(Exception):
            yield _of_gpu(torch.cuda.get_device_properties(device))


def _packages(zones: Path) -> Iterator[_Counter]:
    """Of whole processor packages: Linux' powercap interface to RAPL (Intel's, and AMD's under the same name)."""
    for zone in sorted(zones.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            if (zone / "name").read_text().startswith("package"):
                full = int((zone / "max_energy_range_uj").read_text()) * _MICRO
                yield _Counter("rapl", partial(_joules_in, zone / "energy_uj"), full)


def _joules_in(file: Path) -> float:
    return int(file.read_text()) * _MICRO


def _of_gpu(properties: Any) -> _Counter:
    """NVML's count since the driver was loaded (Volta and later). Needs the package pynvml."""
    nvml = import_module("pynvml")
    nvml.nvmlInit()
    handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}")
    return _Counter("nvml", lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * _MILLI, float("inf"))
