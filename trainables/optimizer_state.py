"""What a torch optimizer remembers, taken out and put back in place.

Optimizer.load_state_dict makes new parameter groups and casts tensors; here all stays as it was, bit for bit.
"""

from typing import Any

import torch

from trainables.checkpoints.state import State
from trainables.several_optimizers import SeveralOptimizers


def optimizer_state(optimizer: torch.optim.Optimizer) -> list[State]:
    """Of each of the torch optimizers that it is made of: its groups without parameters, and what it knows of each."""
    return [
        {
            "groups": [_options(group) for group in part.param_groups],
            "parameters": [dict(part.state.get(each, {})) for group in part.param_groups for each in group["params"]],
        }
        for part in _parts(optimizer)
    ]


def load_optimizer_state(optimizer: torch.optim.Optimizer, states: list[State]) -> None:
    """Of an optimizer that was built alike. Raises ValueError, KeyError: it was not."""
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
