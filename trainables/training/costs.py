"""What a trial costs: its model's parameters, floating-point operations and latency, and the time and memory it takes."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.context import running_time
from trainables.dataset import DataInfo
from trainables.interfaces import Model, Regularizer
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol

# Time that a trial's work takes.


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


_FEWEST, _MAX = 3, 20
"""Passes that are timed."""
_BUDGET: Final = 0.01
"""Seconds after which no further pass is timed."""


def count_parameters(module: nn.Module, *, learning: bool = False) -> int:
    """Numbers of the whole module, or of what of it learns; a tensor shared by two layers counts once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not learning)


def count_bytes(module: nn.Module) -> int:
    """Memory of what a module has to be loaded with: its parameters and buffers, each tensor once."""
    held = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in held.values())


def model_sizes(model: Model, regularizers: Iterable[Regularizer], data: DataInfo, outputs: int) -> tuple[int, int]:
    """Parameters and `count_flops` of a model as trials would build it. Raises whatever a component raises."""
    with torch.random.fork_rng(devices=[]):
        module = model.build(data, outputs)
    for regularizer in regularizers:
        regularizer.on_model(module)
    return count_parameters(module), count_flops(module, data.shape)


def count_flops(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Operations of one forward pass over one example of this shape; a multiply-add counts as two.

    Matrix products and convolutions are counted, as usual in the field; element-wise operations and biases are not.
    """
    copied = copy.deepcopy(module).cpu().eval()
    counter = FlopCounterMode(display=False)
    with _no_opaque_operators(), torch.no_grad(), counter:
        copied(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


@contextmanager
def _no_opaque_operators() -> Iterator[None]:
    """A recurrent layer is one operator in MKL-DNN and in cuDNN, and torch's layer of attention one in its fast path for
    evaluation, which the counter takes for nothing.

    On the CPU, without MKL-DNN and without that path, torch runs the matrix products that they stand for.
    """
    # `mkldnn.flags` would set the precision too, and warn
    before = torch.backends.mkldnn.set_flags(_enabled=False, _fp32_precision=None)  # type: ignore[no-untyped-call]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=before[0], _fp32_precision=None)  # type: ignore[no-untyped-call]
        torch.backends.mha.set_fastpath_enabled(fast)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of a forward pass without gradients; the median, and what 19 of 20 passes stay under."""

    p50: float
    p95: float


def measure_latency(
    module: nn.Module, shape: tuple[int, ...], count: int, protocol: Protocol, device: torch.device
) -> Latency:
    """Time forward passes over `count` examples of this shape, after one that warms up. Leaves the module training."""
    inputs = torch.zeros(count, *shape, device=device)
    if inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    casting = autocast(protocol, device)
    module.eval()
    with torch.inference_mode(), casting:
        passes = _timed(lambda: module(inputs), device)
    module.train()
    return Latency(p50=quantile(passes, 0.5), p95=quantile(passes, 0.95))


def _timed(run: Callable[[], object], device: torch.device) -> list[float]:
    run()
    passes: list[float] = []
    while len(passes) < _FEWEST or (len(passes) < _MAX and sum(passes) < 1000 * _BUDGET):
        finish(device)
        start = time.perf_counter()
        run()
        finish(device)
        passes.append(1000 * (time.perf_counter() - start))
    return passes


def finish(device: torch.device) -> None:
    """Wait for what the device was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


# The peak memory of one trial in a process that runs many.

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
