"""Weights into a net: all of them, but for a head of another number of classes."""

from collections.abc import Mapping, Set
from itertools import islice
from typing import Final

from torch import Tensor, nn

from trainables.errors import WeightsError
from trainables.models.pretrained.tuning import head_of

_COUNTER: Final = "num_batches_tracked"
"""A buffer of batch norm that older files lack; it does not act on what the net gives."""
_SHOWN: Final = 3

Shapes = Mapping[str, tuple[int, ...]]


def load(net: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy the weights into the net. The head stays as it was built where the number of classes differs.

    source: what they are called in messages. Raises WeightsError where they are another net's.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if reason := mismatch(net, shapes, {name for name in weights if not weights[name].is_floating_point()}):
        raise WeightsError(f"{source} has the weights of another network: {reason}")
    own = net.state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if tensor.shape == own[name].shape}
    net.load_state_dict({**own, **fitting})


def mismatch(net: nn.Module, shapes: Shapes, whole: Set[str]) -> str | None:
    """Return what is missing, unexpected or of another form in weights of these shapes; None where they fit the net.

    whole: the names of those that hold whole numbers. Read as weights, what a header calls so would be noise.
    """
    state = net.state_dict()
    own = {name: tuple(tensor.shape) for name, tensor in state.items()}
    name, _ = head_of(net)
    head = {f"{name}.weight".removeprefix("."), f"{name}.bias".removeprefix(".")}
    missing = [name for name in own if name not in shapes and not name.endswith(_COUNTER)]
    unexpected = [name for name in shapes if name not in own]
    other = [
        f"{name} is {_shown(shapes[name])} there and {_shown(own[name])} here"
        for name in own
        if name in shapes and shapes[name] != own[name] and not (name in head and shapes[name][1:] == own[name][1:])
    ]
    not_weights = [name for name in own if name in whole and state[name].is_floating_point()]
    mismatches = [
        ("missing", missing),
        ("unexpected", unexpected),
        ("of another shape", other),
        ("whole numbers in place of fractions", not_weights),
    ]
    return "; ".join(f"{what}: {_first(names)}" for what, names in mismatches if names) or None


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _first(names: list[str]) -> str:
    more = len(names) - _SHOWN
    shown = [name if len(name) <= 100 else f"{name[:97]}..." for name in islice(names, _SHOWN)]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
