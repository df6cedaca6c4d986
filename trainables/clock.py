"""Time that a trial's work takes."""

import torch

from trainables.running_time import running_time


class Stopwatch:
    """Seconds between readings; waits for the device first, whose work is queued and not done when a call returns."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._last = self._now()

    def lap(self) -> float:
        """Seconds since the last reading, or since the start."""
        now = self._now()
        passed, self._last = now - self._last, now
        return passed

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return running_time.seconds()
