"""What of `torch.cuda` trials ask of a GPU, for tensors that only carry its tag."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch

import torch
import torch._dynamo  # which would be loaded by the first optimizer, and compares signatures with what is put in place here
from torch import Tensor

from tests.device_tag.mode import DeviceTags
from tests.device_tag.tags import named, put, tag_of
from tests.device_tag.waits import Steps

_BYTES = 1 << 34


class TaggedGenerator(torch.Generator):
    """A generator of the CPU that says it is of the device it was made for."""

    _tag: torch.device

    def __new__(cls, device: torch.device | str = "cpu") -> Self:
        made = super().__new__(cls)
        made._tag = named(device)
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override] # torch has an attribute there
        return self._tag


@contextmanager
def device_tags(steps: Steps | None = None) -> Iterator[DeviceTags]:
    """Inside, `torch.device("cuda")` can be computed on, as `DeviceTags` has it."""
    mode = DeviceTags(steps)
    engine = torch.autograd._engine_run_backward  # type: ignore[attr-defined]
    make_subclass = torch.Tensor._make_subclass
    group = torch._C._group_tensors_by_device_and_dtype

    def way_back(*args: Any, **given: Any) -> Any:
        """`torch.autograd.grad` has taken the mode off, and functions of our own on the way back are to be watched."""
        if torch.overrides._get_current_function_mode() is mode:  # type: ignore[no-untyped-call] # torch's
            return engine(*args, **given)
        with mode:
            return engine(*args, **given)

    def parameter_of(cls: type[Tensor], data: Tensor, *rest: Any, **given: Any) -> Tensor:
        """torch does not tell a mode of the parameter that it makes of a tensor."""
        made, tag = make_subclass(cls, data, *rest, **given), tag_of(data)
        return made if tag is None else put(made, tag)

    def grouped(lists: list[list[Any]], with_indices: bool = False) -> dict[Any, Any]:
        """Optimizers are told of each group the device of its tensors."""
        found = {}
        for (_, dtype), (there, indices) in group(lists, with_indices).items():
            first = there[0][0]
            assert first is not None, "parameters come first"
            found[tag_of(first), dtype] = there, indices
        return found

    def synchronized(device: object = None) -> None:
        mode.wait("synchronize")

    with ExitStack() as stack:
        for owner, name, value in (
            (torch, "Generator", TaggedGenerator),
            (torch.autograd, "_engine_run_backward", way_back),
            (torch.autograd.graph, "_engine_run_backward", way_back),
            (torch._C, "_group_tensors_by_device_and_dtype", grouped),
            (torch.Tensor, "_make_subclass", staticmethod(parameter_of)),
            (torch.cuda, "synchronize", synchronized),
            (torch.cuda, "get_rng_state", lambda device=None: torch.get_rng_state()),
            (torch.cuda, "set_rng_state", lambda state, device=None: torch.set_rng_state(state)),
            (torch.cuda, "mem_get_info", lambda device=None: (_BYTES, _BYTES)),
            (torch.cuda, "max_memory_allocated", lambda device=None: 0),
            (torch.cuda, "reset_peak_memory_stats", lambda device=None: None),
            (torch.cuda, "empty_cache", lambda: None),
            (torch.cuda, "get_device_name", lambda device=None: "a tag"),
            (torch.cuda, "get_device_properties", lambda device=None: SimpleNamespace(total_memory=_BYTES)),
        ):
            stack.enter_context(patch.object(owner, name, value))
        stack.enter_context(mode)
        yield mode
