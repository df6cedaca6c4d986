"""A state, taken apart into JSON and tensors and put together again, bit for bit.

torch's memory formats are part of it: a fused optimizer reads its moments in the order in which the weights lie.
"""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

State = dict[str, Any]
"""What torch calls a state dict: names to tensors, numbers, text, None, and lists and dicts of these."""

_TENSOR: Final = "$tensor"


def taken_apart(state: Any, tensors: dict[str, Tensor], at: str = "") -> Any:
    """The JSON of a state; its tensors are added to `tensors` under the names that stand in the JSON.

    Raises TypeError: something else is in the state.
    """
    match state:
        case Tensor():
            name = at if at not in tensors else f"{at}#{len(tensors)}"
            tensors[name] = state.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: name, "strides": list(state.stride()), "on": state.device.type}
        case dict():
            return {key: taken_apart(value, tensors, f"{at}/{key}") for key, value in state.items()}
        case list() | tuple():
            return [taken_apart(value, tensors, f"{at}/{number}") for number, value in enumerate(state)]
        case None | bool() | int() | float() | str():
            return state
    raise TypeError(f"{at} is a {type(state).__name__}, which no checkpoint can hold")


def put_together(json: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """The state again. device: of the tensors that were not on the CPU. Raises KeyError, RuntimeError."""
    match json:
        case {"$tensor": str(name), "strides": list(strides), "on": str(on)}:
            return _as_it_lay(tensors[name], strides).to("cpu" if on == "cpu" else device)
        case dict():
            return {key: put_together(value, tensors, device) for key, value in json.items()}
        case list():
            return [put_together(value, tensors, device) for value in json]
    return json


def _as_it_lay(tensor: Tensor, strides: list[int]) -> Tensor:
    if list(tensor.stride()) == strides or 0 in strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)
