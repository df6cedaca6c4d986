"""Networks without weights, of which shapes alone are asked: the largest takes no memory and next to no time."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_ALLOCATING: Final = frozenset({torch.empty, torch.zeros, torch.ones, torch.randn})


class OnMetaDevice(TorchFunctionMode):
    """Within it, what layers allocate for their weights has a shape and no memory (torch's device `meta`).

    `with torch.device("meta")` would take the memory of all tensors, also of those that a RegNet computes its widths with.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if function in _ALLOCATING and options.get("device") is None:
            options["device"] = "meta"
        return function(*args, **options)


def on_meta_device(build: Callable[[], nn.Module]) -> nn.Module:
    """Return what `build` builds, on the device `meta`."""
    with OnMetaDevice():
        return build().to("meta")
