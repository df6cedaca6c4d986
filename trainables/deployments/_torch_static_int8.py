"""Nets whose activations, too, have 8 bits with scales that are known beforehand, for torch's own kernels on a CPU.

Scales are found on examples that go through the trained net (post-training quantisation), or while it is trained on with
rounded weights and activations (Jacob et al. 2018, section 3: quantisation-aware training). torch does both on the net's
graph, so that its path must not depend on the values of its inputs (torch.ao.quantization.quantize_fx).
"""

import inspect
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.ao.quantization import (
    QConfigMapping,
    disable_observer,
    enable_observer,
    get_default_qat_qconfig_mapping,
    get_default_qconfig_mapping,
)
from torch.ao.quantization.fx.custom_config import PrepareCustomConfig
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx, prepare_qat_fx

from trainables.deployments._torch_int8 import shipped
from trainables.errors import CannotDeploy, WeightsError
from trainables.stages.artifact import Artifact

_OF_TORCH: Final = "torch.nn"


def static(module: nn.Module, calibration: Iterable[Tensor]) -> tuple[nn.Module, Artifact]:
    """Quantise the net with the scales that these batches of standardised examples have in it.

    Raises CannotDeploy where torch cannot follow its path, or has no such arithmetic for any layer of it.
    """
    batches = iter(calibration)
    first = next(batches)
    watching = _prepared(module.eval(), first)
    with torch.inference_mode():
        for batch in (first, *batches):
            watching(batch)
    return quantised(watching)


class Rounding(nn.Module):
    """A net to be trained on: its weights and activations are rounded as they will be, and scales follow what it is given.

    While it is not training, scales stay: what is looked at only to choose by it changes nothing.
    """

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        super().__init__()
        self.rounded = _prepared(module.train(), example)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.rounded(inputs)
        return outputs

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.apply(enable_observer if mode else disable_observer)
        return self


def quantised(prepared: nn.Module) -> tuple[nn.Module, Artifact]:
    """The net of whole numbers. prepared: with its scales, as `static` or training on has found them.

    Raises CannotDeploy as `static`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = convert_fx(prepared.eval())  # type: ignore[arg-type]  # of what `_prepared` gave
    return made, shipped(made, "convolutions and fully connected")


def filled(module: nn.Module, shape: tuple[int, ...], tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Artifact]:
    """The net of whole numbers of these tensors, as `shipped` has them. module: what it was made of; shape: of an input.

    Raises WeightsError where they are of another net.
    """
    made, _ = static(module, [torch.zeros(2, *shape)])
    rest = dict(tensors)
    try:
        for name, layer in made.named_modules():
            if callable(getattr(layer, "weight", None)):
                _fill(name, layer, rest)
        state = made.state_dict()
        for name, tensor in rest.items():
            state[name].copy_(tensor)
    except (KeyError, RuntimeError) as unfit:
        raise WeightsError(f"they are of another net: {str(unfit).splitlines()[0][:200]}") from unfit
    return made, shipped(made, "convolutions and fully connected")


def _fill(name: str, layer: Any, tensors: dict[str, Tensor]) -> None:
    """Give a layer its numbers, and take them out of `tensors`. Weights lie around 0, whatever their scale."""
    whole, scale = tensors.pop(f"{name}.weight"), tensors.pop(f"{name}.scale")
    if scale.ndim:
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        weight = torch._make_per_channel_quantized_tensor(whole, scale, zeros, axis=0)
    else:
        weight = torch._make_per_tensor_quantized_tensor(whole, float(scale), 0)
    layer.set_weight_bias(weight, tensors.pop(f"{name}.bias", None))
    for fact, kind in (("scale", float), ("zero_point", int)):
        if (value := tensors.pop(f"{name}.output_{fact}", None)) is not None:
            setattr(layer, fact, kind(value))


def _prepared(module: nn.Module, example: Tensor) -> nn.Module:
    engine, learning = torch.backends.quantized.engine, module.training
    ways: QConfigMapping = (get_default_qat_qconfig_mapping if learning else get_default_qconfig_mapping)(engine)
    custom = PrepareCustomConfig().set_non_traceable_module_names(_alone(module))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch.ao will go: known
            made: nn.Module = (prepare_qat_fx if learning else prepare_fx)(
                module, ways, (example,), prepare_custom_config=custom
            )
            return made
    except Exception as refused:  # whatever torch raises over a path that it cannot follow, or a layer it does not know
        lines = str(refused).splitlines() or [""]
        raise CannotDeploy(
            "torch cannot follow the net's path to quantise it (take kind: dynamic, or runtime: onnxruntime):"
            f" {type(refused).__name__}: {lines[0][:200]}"
        ) from refused


def _alone(module: nn.Module) -> list[str]:
    """The layers that do something else while they are training: followed once, they would do that for ever.

    A place where nothing is dropped (`p` is 0) is none of them.
    """
    own = (
        (name, part)
        for name, part in module.named_modules()
        if name and not type(part).__module__.startswith(_OF_TORCH) and getattr(part, "p", 1)
    )
    return [name for name, part in own if "training" in inspect.unwrap(type(part).forward).__code__.co_names]
