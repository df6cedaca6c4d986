"""Where the examples lie while batches are cut from them: in the memory of the GPU, or mapped from the file."""

import warnings
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.dataset import Examples

_SHARE_OF_FREE_MEMORY: Final = 0.5
"""The rest is for models and their activations."""


class ExampleTensors(NamedTuple):
    """All examples as tensors on one device, in the types of `Examples`. Not to be written to."""

    inputs: Tensor
    targets: Tensor


_resident: dict[tuple[Path, torch.device], Tensor] = {}
"""The inputs that lie on a GPU now: of one data set, since more would take memory from the trials."""


def on_device(examples: Examples, device: torch.device) -> ExampleTensors:
    """The examples where batches are best cut from them.

    On a CPU nothing is copied. On a GPU the inputs are moved once, and stay for the next trials of this process when they
    come from the decoded cache. Those that would take more than half of its free memory stay on the CPU.
    """
    here = ExampleTensors(_shared(examples.inputs), _shared(examples.targets))
    if device.type == "cpu":
        return here
    inputs = _inputs_on(device, here.inputs, getattr(examples.inputs, "filename", None))
    # targets are a trial's own (`label_noise`), and lie where the inputs do
    return ExampleTensors(inputs, here.targets.to(inputs.device))


def _inputs_on(device: torch.device, inputs: Tensor, filename: str | None) -> Tensor:
    if filename is None:
        return _moved(inputs, device)
    key = (Path(filename), device)
    if key not in _resident:
        _resident.clear()
        moved = _moved(inputs, device)
        if moved is inputs:
            return inputs
        _resident[key] = moved
    return _resident[key]


def _moved(inputs: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda" and inputs.nbytes > _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
        return inputs
    return inputs.to(device)


def _shared(array: NDArray[np.generic]) -> Tensor:
    """A tensor over the same memory."""
    with warnings.catch_warnings():
        # batches are gathered into memory of their own, so nothing writes to the map
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
