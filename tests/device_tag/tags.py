"""Which device a tensor is said to lie on. All of them lie in the memory of the CPU; a tag says what a GPU would say.

A tag is an attribute of the Python object, which lives as long as the tensor does. A tensor without one lies on the CPU,
but for those that autograd makes on the way back: they lie wherever the pass does.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import torch
from torch import Tensor

CPU: Final = torch.device("cpu")
CUDA: Final = torch.device("cuda", 0)
"""What a tag may say beside the CPU."""
_TAG: Final = "_device_tag"


def named(device: torch.device | str | int) -> torch.device:
    """The device as a tensor on it would name it."""
    found = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
    return CUDA if found.type == "cuda" else found


def tag_of(tensor: Tensor) -> torch.device | None:
    """The device of a tensor; None where autograd has made it, and it lies where the pass on the way back does."""
    tag: torch.device | None = getattr(tensor, _TAG, None)
    if tag is None and torch._C._current_graph_task_id() == -1:
        return CPU
    return tag


def put(tensor: Tensor, device: torch.device) -> Tensor:
    """Tag a tensor, and give it back."""
    setattr(tensor, _TAG, device)
    return tensor


def put_all(result: Any, device: torch.device | None) -> Any:
    """Tag those tensors in the result of a call that have no tag of their own yet."""
    if device is not None:
        for tensor in tensors_in((result,)):
            if getattr(tensor, _TAG, None) is None:
                put(tensor, device)
    return result


def tensors_in(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among the arguments of a call, also those within lists, tuples, mappings and slices."""
    for value in values:
        match value:
            case Tensor():
                yield value
            case list() | tuple():
                yield from tensors_in(value)
            case dict():
                yield from tensors_in(value.values())
            case slice():
                yield from tensors_in((value.start, value.stop, value.step))
