"""A GPU without a GPU: tensors in the memory of the CPU that carry a tag of their device, with real values and gradients.

It refuses what a GPU refuses:

- a call whose tensors lie on several devices (a number of the CPU without dimensions may stand beside others where torch
  allows it);
- `.numpy()` of a tensor that is not on the CPU;
- a generator of another device than what is drawn.

It counts where the host waits for the device: a value that is asked for (`.item()`, `bool(...)`, `.tolist()`), a copy from
one device to the other (a number that becomes a tensor of the device is one), a result whose shape depends on values
(`nonzero`, a mask as an index), `torch.cuda.synchronize`. Not seen: what torch does within its own functions of Python
(`torch.nn.functional`), and kernels that a GPU alone has. A tensor of the CPU from before is one without a tag.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.device_tag.calls import (
    ANY_DEVICE,
    ASKED_FOR,
    ELEMENTWISE,
    FROM_VALUES,
    ON_ITS_OWN_DEVICE,
    SHAPED_BY_VALUES,
)
from tests.device_tag.tags import CPU, named, put, put_all, tag_of, tensors_in
from tests.device_tag.waits import Steps, waiting

Call = Callable[..., Any]


class RefusedByGpuError(RuntimeError):
    """A GPU would have refused this."""


class DeviceTags(TorchFunctionMode):
    """Within it, a device of type `cuda` is one. Not for several threads."""

    def __init__(self, steps: Steps | None = None) -> None:
        super().__init__()
        self.steps = Steps() if steps is None else steps
        self.mismatches: list[str] = []
        """What was refused, also where somebody has caught that."""

    def __torch_function__(
        self, func: Call, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        name: str = getattr(func, "__name__", "")
        if name in ("__get__", "__set__"):
            return self._attribute(func, name, args)
        if name in _MOVES:
            return self._moved(func, name, args, given)
        if name in ("numpy", "__array__"):
            return self._as_array(func, args, given)
        if name == "copy_":
            return self._copied(func, args, given)
        if name in ("__getitem__", "__setitem__", "index_put_", "index_put", "index"):
            return self._indexed(func, name, args, given)
        if name == "as_tensor" and torch.is_tensor(args[0]):
            return self._moved(torch.Tensor.to, "to", args[:1], given)
        if name == "_cudnn_rnn_flatten_weight":
            return args[0][0]  # where weights lie in memory is all that it changes
        if name == "is_pinned":
            return getattr(args[0], "_pinned", False)
        if name == "pin_memory":
            return _pinned(put(args[0].clone(), CPU))
        return self._called(func, name, args, given)

    def wait(self, what: str) -> None:
        """The host waits for the device."""
        self.steps.waited(waiting(what))

    def refuse(self, why: str) -> RefusedByGpuError:
        """What is to be raised; noted."""
        self.mismatches.append(f"{why} at {waiting('').site}:{waiting('').line}")
        return RefusedByGpuError(self.mismatches[-1])

    def _called(self, func: Call, name: str, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        inputs = list(tensors_in((args, given)))
        device = self._common(name, inputs)
        if (asked := given.get("device")) is not None:
            target, given["device"] = named(asked), CPU
            if name in FROM_VALUES and target != CPU and (device != target or name != "as_tensor"):
                self.wait(name)
            device = target
        elif name == "new_tensor" and device != CPU:
            self.wait(name)
        elif not inputs:
            device = CPU
        self._check_generator(name, (*args, *given.values()), device)
        if device is not None and device != CPU:
            self._count(name, args, given)
        if torch.is_tensor(out := given.get("out")) and tag_of(out) not in (None, device):
            raise self.refuse(f"{name} has its out on {tag_of(out)}, and computes on {device}")
        result = func(*args, **given)
        if name == "grad" and isinstance(result, tuple):
            return tuple(put_all(each, tag_of(of)) for each, of in zip(result, _sequence(args, given), strict=True))
        return put_all(result, device)

    def _common(self, name: str, inputs: list[Tensor]) -> torch.device | None:
        """The device that all of them are on. Raises where there is none."""
        found = {tag_of(each) for each in inputs} - {None}
        if len(found) < 2:
            return next(iter(found), None)
        there = {tag_of(each) for each in inputs if each.ndim > 0 or tag_of(each) != CPU} - {None}
        if name in ANY_DEVICE:
            return tag_of(inputs[0])
        if len(there) == 1 and name in ELEMENTWISE:
            return there.pop()
        raise self.refuse(f"{name} of tensors on several devices, {sorted(map(str, found))},")

    def _count(self, name: str, args: tuple[Any, ...], given: dict[str, Any]) -> None:
        if name in ASKED_FOR or name in SHAPED_BY_VALUES:
            self.wait(name)
        elif name == "where" and len(args) + len(given) == 1:
            self.wait("where of a condition alone")
        elif name == "one_hot" and len(args) + len(given) < 2:
            self.wait("one_hot without a number of classes")
        elif name == "repeat_interleave" and "output_size" not in given and any(map(torch.is_tensor, args[1:])):
            self.wait("repeat_interleave by a tensor")
        elif any(torch.is_tensor(given.get(key)) for key in ("alpha", "beta", "value")) and not name.startswith(
            "_foreach"
        ):
            self.wait(f"{name} with a tensor where a number is read")

    def _check_generator(self, name: str, values: tuple[Any, ...], device: torch.device | None) -> None:
        for value in values:
            if isinstance(value, torch.Generator) and device not in (None, named(value.device)):
                raise self.refuse(f"{name} on {device} draws from a generator of {value.device}")

    def _attribute(self, func: Any, name: str, args: tuple[Any, ...]) -> Any:
        attribute: str = func.__self__.__name__
        tensor = args[0]
        tag = tag_of(tensor)
        if name == "__set__":
            if attribute == "data":
                put(tensor, tag_of(args[1]) or CPU)
            elif attribute == "grad" and torch.is_tensor(args[1]) and tag_of(args[1]) not in (None, tag):
                raise self.refuse(f"a gradient on {tag_of(args[1])} of a parameter on {tag}")
            return func(*args)
        match attribute:
            case "device":
                return tag or CPU
            case "is_cuda":
                return (tag or CPU).type == "cuda"
            case "is_cpu":
                return (tag or CPU) == CPU
        result = func(*args)
        return put(result, tag) if attribute in ON_ITS_OWN_DEVICE and torch.is_tensor(result) and tag else result

    def _moved(self, func: Call, name: str, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        """`to`, `cpu` and `cuda`: from one device to the other it is a copy, for which the host waits."""
        tensor, *rest = args
        here = tag_of(tensor) or CPU
        if name != "to":
            target = CPU if name == "cpu" else named(given.get("device", rest[0] if rest else 0) or 0)
            non_blocking, format_ = given.get("non_blocking", False), given.get("memory_format")
            options: dict[str, Any] = {}
        else:
            other = given.pop("other", None) or (rest.pop(0) if rest and torch.is_tensor(rest[0]) else None)
            copy = (
                given.pop("copy", False)
                or (len(rest) > 3 and rest.pop(3))
                or (len(rest) > 2 and isinstance(rest[0], torch.dtype) and rest.pop(2))
            )
            asked, dtype, non_blocking, format_ = torch._C._nn._parse_to(*rest, **given)
            target = here if asked is None else named(asked)
            options = {"copy": bool(copy)} | ({} if dtype is None else {"dtype": dtype})
            if other is not None:
                target, options["dtype"] = tag_of(other) or CPU, other.dtype
        if format_ is not None:
            options["memory_format"] = format_
        if target == here:
            return put_all(tensor.to(**options) if options else tensor, here)
        if not (non_blocking and (target == CPU or getattr(tensor, "_pinned", False))):
            self.wait(f"a copy to {target.type}")
        return put(tensor.to(**options | {"copy": True}), target)

    def _as_array(self, func: Call, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        if tag_of(args[0]) not in (None, CPU):
            raise self.refuse(f"numpy of a tensor on {tag_of(args[0])}")
        return func(*args, **given)

    def _copied(self, func: Call, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        """`copy_` takes a source of any device."""
        into, source = args[0], args[1] if len(args) > 1 else given.get("src")
        if torch.is_tensor(source) and None not in (tag_of(into), tag_of(source)) and tag_of(into) != tag_of(source):
            self.wait("a copy from one device to the other")
        return func(*args, **given)

    def _indexed(self, func: Call, name: str, args: tuple[Any, ...], given: dict[str, Any]) -> Any:
        """What lies on the CPU among the indices is uploaded; masks and single numbers have the host read them."""
        tensor, key, *values = args
        device = tag_of(tensor)
        keys = list(tensors_in((key,)))
        values += given.values()
        if device is None or device == CPU:
            if any(tag_of(each) not in (None, CPU) for each in (*keys, *tensors_in(values))):
                raise self.refuse(f"{name} of a tensor on the CPU with one of another device")
        else:
            if any(each.ndim > 0 and tag_of(each) == CPU for each in tensors_in(values)):
                raise self.refuse(f"{name} puts values of the CPU into a tensor on {device}")
            lists = any(isinstance(each, list) for each in (key if isinstance(key, tuple) else (key,)))
            if lists or any(tag_of(each) == CPU and each.ndim > 0 for each in keys):
                self.wait("an index from the CPU")
            if any(each.dtype == torch.bool for each in keys) and not _fills(key, values):
                self.wait("a mask as an index")
            if any(each.ndim == 0 and each.dtype != torch.bool and tag_of(each) != CPU for each in keys):
                self.wait("a single number as an index")
        return put_all(func(*args, **given), device)


_MOVES: Final = frozenset(("to", "cpu", "cuda"))


def _fills(key: Any, values: list[Any]) -> bool:
    """Whether one mask has one number put where it is: torch fills then, and asks for no places."""
    return torch.is_tensor(key) and bool(values) and (not torch.is_tensor(values[0]) or values[0].numel() == 1)


def _pinned(tensor: Tensor) -> Tensor:
    tensor._pinned = True  # type: ignore[attr-defined]
    return tensor


def _sequence(args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
    """The tensors that `torch.autograd.grad` differentiates by."""
    inputs = args[1] if len(args) > 1 else given["inputs"]
    return tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
