"""A state, taken apart into JSON and tensors and put together again, bit for bit.

torch's memory formats are part of it: a fused optimizer reads its moments in the order in which the weights lie.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from trainables.interfaces import State

_TENSOR: Final = "$tensor"


def flattened(state: Any, tensors: dict[str, Tensor], at: str = "") -> Any:
    """The JSON of a state; its tensors are added to `tensors` under the names that stand in the JSON.

    Raises TypeError: something else is in the state.
    """
    match state:
        case Tensor():
            name = at if at not in tensors else f"{at}#{len(tensors)}"
            tensors[name] = state.detach().to("cpu", copy=True).contiguous()
            return {_TENSOR: name, "strides": list(state.stride()), "on": state.device.type}
        case dict():
            return {key: flattened(value, tensors, f"{at}/{key}") for key, value in state.items()}
        case list() | tuple():
            return [flattened(value, tensors, f"{at}/{number}") for number, value in enumerate(state)]
        case None | bool() | int() | float() | str():
            return state
    raise TypeError(f"{at} is a {type(state).__name__}, which no checkpoint can hold")


def unflattened(json: Any, tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    """The state again. device: of the tensors that were not on the CPU. Raises KeyError, RuntimeError."""
    match json:
        case {"$tensor": str(name), "strides": list(strides), "on": str(on)}:
            return _as_it_lay(tensors[name], strides).to("cpu" if on == "cpu" else device)
        case dict():
            return {key: unflattened(value, tensors, device) for key, value in json.items()}
        case list():
            return [unflattened(value, tensors, device) for value in json]
    return json


def _as_it_lay(tensor: Tensor, strides: list[int]) -> Tensor:
    if list(tensor.stride()) == strides or 0 in strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


# Several torch optimizers that step as one, each over its own parameters.


class SeveralOptimizers(torch.optim.Optimizer):
    """Joins optimizers: its parameter groups are theirs, so that a learning rate that is set on them acts.

    A closure is evaluated once, before the first part steps.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        groups = [group for part in parts for group in part.param_groups]
        super().__init__([dict(group) for group in groups], {})
        self.parts = parts
        self.param_groups = groups

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss


# What a torch optimizer remembers, taken out and put back in place.


def optimizer_state(optimizer: torch.optim.Optimizer) -> list[State]:
    """Return, of each torch optimizer that it is made of, its groups without parameters, and what it knows of each."""
    return [
        {
            "groups": [_options(group) for group in part.param_groups],
            "parameters": [dict(part.state.get(each, {})) for group in part.param_groups for each in group["params"]],
        }
        for part in _parts(optimizer)
    ]


def load_optimizer_state(optimizer: torch.optim.Optimizer, states: list[State]) -> None:
    """Load the state of an optimizer that was built alike. Raises ValueError, KeyError: it was not."""
    for part, state in zip(_parts(optimizer), states, strict=True):
        for group, options in zip(part.param_groups, state["groups"], strict=True):
            for key in _options(group):
                group[key] = tuple(options[key]) if isinstance(group[key], tuple) else options[key]
        parameters = [each for group in part.param_groups for each in group["params"]]
        for parameter, known in zip(parameters, state["parameters"], strict=True):
            if known:
                part.state[parameter] = known


def _parts(optimizer: torch.optim.Optimizer) -> list[torch.optim.Optimizer]:
    return list(optimizer.parts) if isinstance(optimizer, SeveralOptimizers) else [optimizer]


def _options(group: dict[str, Any]) -> State:
    return {key: value for key, value in group.items() if key != "params"}
