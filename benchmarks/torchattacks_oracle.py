"""Compares the attacks of `trainables/measurements/` with those of torchattacks 3.5.1, net by net.

Run by hand, since torchattacks is no dependency (its pins are of an old torch, so it comes without them):

    python -m pip install --target /tmp/attacks --no-deps torchattacks==3.5.1
    python -m pip install --target /tmp/attacks requests tqdm
    PYTHONPATH=.:/tmp/attacks python benchmarks/torchattacks_oracle.py

It prints a row for each net: the largest difference of any pixel in 0..1, by attack. It fails where that is above 1e-5.
"""

import sys
from typing import Final

import torch
import torchattacks  # type: ignore[import-not-found]
from torch import nn

from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.measurements._attacks import fgsm, pgd
from trainables.models.cnn import Cnn
from trainables.models.lstm import Lstm
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet

_BAR: Final = 1e-5
_NETS: Final[dict[str, Model]] = {"mlp": Mlp(), "cnn": Cnn(batch_norm=True), "resnet": Resnet(depth=8), "lstm": Lstm()}
_SHAPE: Final = (3, 32, 32)
_PICTURES: Final = 64
"""A power of two: torchattacks differentiates the mean of the loss and we its sum, and so no rounding parts them."""
_EPS, _STEPS = 0.1, 20


def compare(name: str, model: Model) -> dict[str, float]:
    """The largest difference of each attack."""
    info = DataInfo("made_up", "image", _SHAPE, "classification", tuple("0123456789"))
    torch.manual_seed(0)
    net: nn.Module = model.build(info, 10).eval()
    pixels, targets = torch.rand(_PICTURES, *_SHAPE), torch.randint(10, (_PICTURES,))
    found = {"fgsm": _apart(fgsm(net, pixels, targets, _EPS), torchattacks.FGSM(net, eps=_EPS)(pixels, targets))}
    torch.manual_seed(1)
    theirs = torchattacks.PGD(net, eps=_EPS, alpha=2.5 * _EPS / _STEPS, steps=_STEPS)(pixels, targets)
    found["pgd"] = _apart(pgd(net, pixels, targets, _EPS, _STEPS, torch.Generator().manual_seed(1)), theirs)
    print(f"{name:8}" + "  ".join(f"{attack} {value:.1e}" for attack, value in found.items()), flush=True)
    return found


def _apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max())


def main() -> int:
    """Return the exit code."""
    largest = max(value for name, model in _NETS.items() for value in compare(name, model).values())
    print(f"largest: {largest:.1e}, bar {_BAR:.0e}")
    return int(not largest <= _BAR)


if __name__ == "__main__":
    sys.exit(main())
