"""Switches of torch that decide how numbers are computed. Some are of the thread: read in the one that trains."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import torch
from torch.backends import cuda, cudnn, mha, mkldnn, opt_einsum
from torch.nn.modules import module
from torch.optim import optimizer  # torch removes the name from its package, and the module stays

from trainables.process_state.change import After, Change, Setting, Watch

# Hooks of torch that act on every module, or every optimizer, of the process.


class GlobalHooks(Watch):
    """The global hooks that are there when this is made."""

    def __init__(self) -> None:
        self._tables = [*_tables(module), *_tables(optimizer)]
        self._before = [list(table.items()) for table in self._tables]

    def settle(self) -> Iterator[Change]:
        for table, before in zip(self._tables, self._before, strict=True):
            if len(table) != len(before) or any(table.get(key) is not hook for key, hook in before):
                table.clear()
                table.update(before)
                yield Change("changed the hooks of all modules or optimizers", After.REPLACE)


def _tables(owner: ModuleType) -> list[dict[int, Any]]:
    """torch keeps a dictionary for each kind of hook, all named alike."""
    return [value for name, value in vars(owner).items() if name.startswith("_global_") and isinstance(value, dict)]


_AUTOCAST_DEVICES: Final = ("cpu", "cuda")
_ATTENTION_ENABLED: Final[tuple[Callable[[], bool], ...]] = (
    cuda.flash_sdp_enabled,
    cuda.mem_efficient_sdp_enabled,
    cuda.math_sdp_enabled,
    cuda.cudnn_sdp_enabled,
)
_entered: list[object] = []
"""Keeps modes that were entered to put them back: one that is collected is left."""


def _attribute(name: str, owner: Any, attribute: str) -> Setting[Any]:
    """A switch that is an attribute of a module."""
    return Setting(name, lambda: getattr(owner, attribute), lambda value: setattr(owner, attribute, value))


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(values: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])


def _autocast() -> tuple[object, ...]:
    by_device = ((torch.is_autocast_enabled(each), torch.get_autocast_dtype(each)) for each in _AUTOCAST_DEVICES)
    return *by_device, torch.is_autocast_cache_enabled()


def _set_autocast(values: tuple[Any, ...]) -> None:
    *by_device, cache = values
    for device, (enabled, dtype) in zip(_AUTOCAST_DEVICES, by_device, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, dtype)
    torch.set_autocast_cache_enabled(cache)


def _set_inference(value: bool) -> None:
    mode = torch.inference_mode(value)
    mode.__enter__()
    _entered.append(mode)


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _modes() -> tuple[int, int]:
    """Return how many modes stand between a call of torch and torch: the default device is one of them."""
    return torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()


def _leave_modes(counts: tuple[int, int]) -> None:
    if _modes()[0] > counts[0]:
        torch.set_default_device(None)  # else it would be entered again
    while torch._C._len_torch_function_stack() > counts[0]:
        torch._C._pop_torch_function_stack()
    while torch._C._len_torch_dispatch_stack() > counts[1]:
        torch._C._pop_torch_dispatch_stack()


def _saved_tensor_hooks() -> object:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)


def _leave_saved_tensor_hooks(before: object) -> None:
    while _saved_tensor_hooks() not in (None, before):
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _attention() -> tuple[bool, ...]:
    return tuple(enabled() for enabled in _ATTENTION_ENABLED)


def _set_attention(values: tuple[bool, ...]) -> None:
    setters: tuple[Callable[[bool], None], ...] = (
        cuda.enable_flash_sdp,
        cuda.enable_mem_efficient_sdp,
        cuda.enable_math_sdp,
        cuda.enable_cudnn_sdp,
    )
    for set_it, value in zip(setters, values, strict=True):
        set_it(value)


def _set_mkldnn(enabled: bool) -> None:
    # `mkldnn.flags` would set the precision too, and warn
    mkldnn.set_flags(_enabled=enabled, _fp32_precision=None)  # type: ignore[no-untyped-call]


SETTINGS: Final[tuple[Setting[Any], ...]] = (
    Setting("the default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("the default device, or a mode of torch", _modes, _leave_modes),
    Setting("the inference mode", torch.is_inference_mode_enabled, _set_inference),
    Setting("whether gradients are computed", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("autocast", _autocast, _set_autocast),
    Setting("the detection of anomalies", _anomaly, lambda values: torch.autograd.set_detect_anomaly(*values)),
    Setting("the hooks on saved tensors", _saved_tensor_hooks, _leave_saved_tensor_hooks),
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("deterministic algorithms", _deterministic, _set_deterministic),
    Setting("the precision of matrix products", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _attribute("TF32 of matrix products", cuda.matmul, "allow_tf32"),
    _attribute("reduced precision of fp16 products", cuda.matmul, "allow_fp16_reduced_precision_reduction"),
    _attribute("reduced precision of bf16 products", cuda.matmul, "allow_bf16_reduced_precision_reduction"),
    Setting("the kernels of attention", _attention, _set_attention),
    _attribute("cuDNN", cudnn, "enabled"),
    _attribute("cuDNN's benchmark", cudnn, "benchmark"),
    _attribute("cuDNN's determinism", cudnn, "deterministic"),
    _attribute("TF32 of cuDNN", cudnn, "allow_tf32"),
    Setting("MKL-DNN", lambda: mkldnn.enabled, _set_mkldnn),
    Setting("the fast path of attention", mha.get_fastpath_enabled, mha.set_fastpath_enabled),
    _attribute("the contraction order of einsum", opt_einsum, "enabled"),
    _attribute("the contraction order of einsum", opt_einsum, "strategy"),
)
