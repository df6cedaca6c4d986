"""Weights in 8 bits for torch's own kernels on a CPU (torch.ao.quantization; the quantised engine is that of the machine).

torch announces that this module will go, and its successor has no recurrent layers: all that is used of it stands here.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import dynamic as quantised
from torch.ao.quantization import quantize_dynamic

from trainables.deployments._share import require_share
from trainables.stages.artifact import Artifact, as_safetensors

_LAYERS: Final = (nn.Linear, nn.LSTM, nn.GRU)
"""Of which there is such arithmetic without scales of activations being known."""


def dynamic(module: nn.Module) -> tuple[nn.Module, Artifact]:
    """Quantise every layer that can be; the others stay. Raises CannotDeploy where that is nearly all of the net."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will go: known
        made = quantize_dynamic(module, set(_LAYERS), dtype=torch.qint8)  # type: ignore[no-untyped-call]
    return made, shipped(made, "fully connected, LSTM and GRU")


def shipped(module: nn.Module, layers: str) -> Artifact:
    """What is shipped of a quantised net. layers: those that could be. Raises CannotDeploy where nearly nothing of it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = dict(_tensors(module))
    weights = [tensor for tensor in tensors.values() if tensor.ndim > 1]
    whole = sum(tensor.numel() for tensor in weights if tensor.dtype is torch.int8)
    require_share(whole, sum(tensor.numel() for tensor in weights) - whole, layers)
    return as_safetensors(tensors)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """What has to be shipped of it: of a quantised weight its whole numbers and their scale."""
    inside: set[str] = set()
    for name, part in module.named_modules():
        if callable(getattr(part, "weight", None)):  # of a layer that multiplies and is quantised, whichever
            inside.add(name)
            yield from _of_layer(name, part)
        elif isinstance(part, quantised.LSTM | quantised.GRU):
            inside.add(name)
            for number, values in enumerate(part._all_weight_values):
                yield from _packed(f"{name}.{number}", values.param.__getstate__())
    for name, tensor in module.state_dict().items():
        if isinstance(tensor, Tensor) and not any(name.startswith(f"{owner}." if owner else "") for owner in inside):
            yield name, tensor


def _of_layer(name: str, layer: Any) -> Iterator[tuple[str, Tensor]]:
    yield from _quantised(name, layer.weight())
    if (bias := layer.bias()) is not None:
        yield f"{name}.bias", bias
    if not isinstance(layer, quantised.Linear):  # else the scale of its outputs is known beforehand
        yield f"{name}.output_scale", torch.tensor(layer.scale)
        yield f"{name}.output_zero_point", torch.tensor(layer.zero_point)


def _packed(name: str, state: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors in what a packed recurrent layer says of itself, wherever they stand in it."""
    match state:
        case Tensor() if state.is_quantized:
            yield from _quantised(name, state)
        case Tensor():
            yield name, state
        case torch.ScriptObject():
            yield from _packed(name, state.__getstate__())
        case tuple() | list():
            for number, inner in enumerate(state):
                yield from _packed(f"{name}.{number}", inner)
        case _:
            return


def _quantised(name: str, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}.weight", weight.int_repr()
    if weight.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        yield f"{name}.scale", weight.q_per_channel_scales()
    else:
        yield f"{name}.scale", torch.tensor(weight.q_scale())
