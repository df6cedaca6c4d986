"""What a model costs: parameters, floating-point operations, latency."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.precision import autocast
from trainables.protocol import Protocol

_FEWEST, _MOST = 3, 20
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
    return Latency(p50=_quantile(passes, 0.5), p95=_quantile(passes, 0.95))


def _timed(run: Callable[[], object], device: torch.device) -> list[float]:
    run()
    passes: list[float] = []
    while len(passes) < _FEWEST or (len(passes) < _MOST and sum(passes) < 1000 * _BUDGET):
        _finish(device)
        start = time.perf_counter()
        run()
        _finish(device)
        passes.append(1000 * (time.perf_counter() - start))
    return passes


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
