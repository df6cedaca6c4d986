"""What a frozen net makes of every example of a data set, computed once a node and read by all trials that want it.

Features are a function of the weights, of the decoded pixels and of how numbers are computed, and of nothing that a trial
draws: pixels are standardised as the weights were trained with, and go through the net in batches that are the same whoever
computes them. What a trial comes to, bit for bit, thus depends neither on who did, nor on its split.
"""

from collections.abc import Iterator
from hashlib import blake2b
from math import prod
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.data import array_folder
from trainables.data.batches import Batches
from trainables.data.own_folders import FEATURES
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import Examples
from trainables.errors import DataError
from trainables.models.pretrained.tuning import TunedNet
from trainables.process_state.precision import autocast
from trainables.protocol import Protocol
from trainables.training.evaluate import batch_size
from trainables.training.prepare import SharedInputs

_FORMAT: Final = 1
"""Raised when features come to be computed otherwise."""
_ARRAYS: Final = ("features",)
_PROBES: Final = 2
"""Examples whose features are computed anew before kept ones are used."""
_UNLIKE: Final = 0.1
"""Distance over length of two vectors of features from which on they are of different nets: far above rounding to bf16."""


def shared_features(
    model: str, module: TunedNet, seeing: nn.Module, head: nn.Linear, inputs: SharedInputs, protocol: Protocol
) -> NDArray[np.float32]:
    """Features of all examples, float32 (examples, head.in_features), a read-only map where they could be kept.

    model: its canonical form. seeing: gives what reaches the head of `module`, whose net is on the device that computes.
    """
    device = head.weight.device
    pixels = _as_pixels(inputs.inputs, device)

    def parts(count: int) -> Iterator[NDArray[np.float32]]:
        return _computed(module, seeing, pixels, count, protocol, device)

    folder = inputs.cache.absolute() / FEATURES / _folder_name(model, module, head, inputs, protocol)
    shape = (len(inputs.inputs), head.in_features)

    def make() -> None:
        with array_folder.being_made(folder) as unfinished:
            array_folder.write_parts(unfinished, *_ARRAYS, shape, np.float32, parts(shape[0]))
            array_folder.write_meta(unfinished, _ARRAYS, {})

    def of_this_net(_: array_folder.Meta) -> bool:
        """The code of a net may have changed since, under equal weights."""
        (kept,) = array_folder.opened(folder, _ARRAYS)
        return kept.shape == shape and _alike(kept[:_PROBES], np.concatenate(list(parts(min(_PROBES, shape[0])))))

    try:
        array_folder.ready(folder, _ARRAYS, make, of_this_net)
        (features,) = array_folder.opened(folder, _ARRAYS)
    except (DataError, OSError) as refused:  # a full disk, say: the same batches give the same features
        print(f"features of {shape[0]} examples are computed for this trial alone: {refused}")
        features = np.concatenate(list(parts(shape[0])))
    return features


def _as_pixels(inputs: NDArray[np.uint8] | NDArray[np.float32], device: torch.device) -> Batches:
    count, channels = inputs.shape[0], inputs.shape[1]
    examples = Examples(inputs, np.zeros(count, np.int64), np.zeros(count, np.bool_))
    as_they_are = ChannelStatistics(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    return Batches(examples, as_they_are, device, channels_last=True)


def _computed(
    module: TunedNet, seeing: nn.Module, pixels: Batches, count: int, protocol: Protocol, device: torch.device
) -> Iterator[NDArray[np.float32]]:
    """The features of the first `count` examples, batch by batch; between two the module is as it was, and trains."""
    size = batch_size(prod(module.inputs.form.shape), device)
    for inputs, _ in pixels.evaluation(np.arange(count), size, lambda length: slice(0, length)):
        module.eval()
        with module.reading_pixels(), torch.inference_mode(), autocast(protocol, device):
            features: Tensor = seeing(inputs)
        module.train()
        yield features.float().cpu().numpy()


def _alike(kept: NDArray[np.float32], fresh: NDArray[np.float32]) -> bool:
    unlike = np.linalg.norm(kept - fresh) > _UNLIKE * np.linalg.norm(fresh)
    return not unlike  # nor are those that are no numbers, in both


def _folder_name(model: str, module: TunedNet, head: nn.Linear, inputs: SharedInputs, protocol: Protocol) -> str:
    """All that features depend on, the kind of machine among it: a cache may be on a disk that several share."""
    device, form = head.weight.device, module.inputs.form
    digest = blake2b(
        f"{_FORMAT}\n{model}\n{form}\n{inputs.key}\n{_arithmetic(protocol, device)}".encode(), digest_size=8
    )
    of_head = {id(tensor) for tensor in head.state_dict(keep_vars=True).values()}
    for name, tensor in module.net.state_dict(keep_vars=True).items():
        if id(tensor) not in of_head:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return f"{inputs.name}-{digest.hexdigest()}"


def _arithmetic(protocol: Protocol, device: torch.device) -> str:
    """What the last digits depend on."""
    if device.type == "cuda":
        computer = torch.cuda.get_device_name(device)
    else:
        computer = f"{torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"
    return f"{torch.__version__} {device.type} {computer} {protocol.precision} {protocol.deterministic}"
