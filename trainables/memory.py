"""The peak memory of one trial in a process that runs many."""

from pathlib import Path
from typing import Final

import torch

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_RESET_PEAK: Final = "5"
"""What sets a process's peak resident set back to what is resident now (Linux, proc(5))."""


class PeakMemory:
    """Counts from when it is made: a process's own maximum never falls, so it is reset first."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start: int | None = None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        else:
            self._start = _reset_resident()

    @property
    def whole(self) -> int | None:
        """Bytes of the whole device; None on a CPU."""
        if self._device.type != "cuda":
            return None
        return int(torch.cuda.get_device_properties(self._device).total_memory)

    def read(self) -> int | None:
        """Bytes: of the device's allocator on a GPU, of the resident set above the start on a CPU; None if unknown."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if self._start is None:
            return None
        return max(0, _status("VmHWM") - self._start)


def _reset_resident() -> int | None:
    """Resident bytes after the reset; None where the system has no such reset or forbids it."""
    try:
        _CLEAR.write_text(_RESET_PEAK)
        return _status("VmRSS")
    except OSError:
        return None


def _status(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024
