"""Compares the maps of `trainables/measurements/` with those of captum 0.9, method by method and net by net.

Run by hand, since captum is no dependency:

    python -m pip install --target /tmp/captum --no-deps captum==0.9
    PYTHONPATH=.:/tmp/captum python benchmarks/captum_oracle.py

It prints a row for each net and kind of input: the largest difference of any pixel, over the largest size of captum's map.
It fails where that is above 1e-5.
"""

import sys
from collections.abc import Iterator
from typing import Any, Final

import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion, Saliency  # type: ignore[import-not-found]
from torch import Tensor, nn

from trainables.dataset import DataInfo
from trainables.errors import NoMap
from trainables.interfaces import Model
from trainables.measurements._attributions import integrated_gradients, occlusion, saliency
from trainables.measurements._grad_cam import grad_cam
from trainables.models.cnn import Cnn
from trainables.models.cnn3d import Cnn3d
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet

_BAR: Final = 1e-5
_SHAPES: Final = {"grey": (1, 28, 28), "RGB": (3, 32, 24), "clips": (4, 3, 16, 16)}
_IMAGES: Final[dict[str, Model]] = {
    "mlp": Mlp(),
    "cnn": Cnn(batch_norm=True),
    "resnet": Resnet(depth=8),
    "lstm": Lstm(),
}
_CLIPS: Final[dict[str, Model]] = {"lstm": Lstm(), "cnn3d": Cnn3d()}
_WINDOW, _STRIDE = 5, 3
_OCCLUDED: Final = 2
"""Inputs of the slowest method."""


def rows(net: nn.Module, inputs: Tensor, targets: Tensor, baseline: Tensor) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Of each method that the net can have: its name, our maps and captum's."""
    baselines = baseline.expand_as(inputs)
    theirs = Saliency(net).attribute(inputs.clone(), targets)
    yield "saliency", saliency(net, inputs, targets), theirs.flatten(1, -3).amax(dim=1)
    theirs = IntegratedGradients(net).attribute(inputs.clone(), baselines, targets, n_steps=32)
    yield "integrated_gradients", integrated_gradients(net, inputs, targets, baseline), theirs.flatten(1, -3).sum(dim=1)
    few, classes = inputs[:_OCCLUDED], targets[:_OCCLUDED]
    sides = {"sliding_window_shapes": (*inputs.shape[1:-2], _WINDOW, _WINDOW)}
    sides["strides"] = (*inputs.shape[1:-2], _STRIDE, _STRIDE)
    theirs = Occlusion(net).attribute(few.clone(), target=classes, baselines=baselines[:_OCCLUDED], **sides)
    yield "occlusion", occlusion(net, few, classes, baseline, _WINDOW, _STRIDE), theirs.flatten(1, -3)[:, 0]
    try:
        ours = grad_cam(net, inputs, targets)
    except NoMap:
        return
    theirs = LayerGradCam(net, last_map(net)).attribute(inputs.clone(), targets, relu_attributions=True)
    yield "grad_cam", ours, F.interpolate(theirs, inputs.shape[-2:], mode="bilinear")[:, 0]


def last_map(net: Any) -> nn.Module:
    """The layer before the head, which captum has to be told."""
    heads = [place for place, part in enumerate(net) if isinstance(part, nn.Flatten | nn.AdaptiveAvgPool2d)]
    layer: nn.Module = net[heads[0] - 1]
    return layer


def compare(kind: str, name: str, model: Model) -> dict[str, float]:
    """The largest relative difference of each method."""
    shape = _SHAPES[kind]
    info = DataInfo("made_up", "clip" if len(shape) == 4 else "image", shape, "classification", tuple("0123456789"))
    torch.manual_seed(0)
    net = model.build(info, 10).eval()
    inputs, targets = torch.randn(8, *shape), torch.randint(10, (8,))
    found = {}
    for method, ours, theirs in rows(net, inputs, targets, torch.randn(shape)):
        found[method] = float((ours - theirs.detach()).abs().max() / theirs.detach().abs().max())
    print(f"{kind:6}{name:8}" + "  ".join(f"{method} {value:.1e}" for method, value in found.items()), flush=True)
    return found


def main() -> int:
    """Return the exit code."""
    differences: list[float] = []
    for kind in _SHAPES:
        for name, model in (_CLIPS if kind == "clips" else _IMAGES).items():
            differences += compare(kind, name, model).values()
    print(f"largest: {max(differences):.1e}, bar {_BAR:.0e}")
    return int(max(differences) > _BAR)


if __name__ == "__main__":
    sys.exit(main())
