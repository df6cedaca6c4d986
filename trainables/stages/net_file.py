"""A trial's net as a file for other programs, and how far what the file gives is from what the net gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from trainables.errors import CannotDeploy
from trainables.interfaces import Deployment
from trainables.process_state.precision import numerics
from trainables.spec import ParentTrial, TrialSpec
from trainables.stages.inputs import CPU, NetInputs
from trainables.stages.parent import ParentNet, in_place_of, loaded_parent, without_test
from trainables.stages.parity import Parity, parities
from trainables.stages.trial_net import ONNX, file_net, parent_net, this_process, variant_net
from trainables.stages.variant import MakesVariant
from trainables.task import task_of
from trainables.training.evaluate import batch_size
from trainables.training.prepare import Prepared

_NOISE: Final = 256
"""Inputs of random pixels that a net is written down and compared with."""
_MOST_NUMBERS: Final = 1 << 25
"""Of these inputs together."""


@dataclass(frozen=True)
class NetFile:
    """What is handed over."""

    content: bytes
    module: nn.Module
    """What runs it: stored inputs to outputs."""
    original: nn.Module
    """The net that its trial, or the trial of its parent, has trained: standardised inputs to outputs."""
    same: bool
    """Whether it is meant to give what that gives: nothing but the format is another."""


def written(spec: TrialSpec, inputs: NetInputs, weights: ParentTrial, shipped: Path, export: Deployment) -> NetFile:
    """The net of a trial. weights: of what was trained; shipped: what was kept of the trial, which is another file where it
    is a variant. No example of any data set is read, and none can be in the file.

    Raises WeightsError, CannotDeploy where there is no such file of it, ParityError, and whatever the exporter raises.
    """
    with torch.random.fork_rng([]), numerics(spec.protocol):
        parent = parent_net(spec, inputs, weights, _noise(inputs))
        if shipped == weights.weights:
            return _file_of(parent, parent.module, export, same=True)
        if shipped.suffix == ONNX and getattr(export, "format", None) == "onnx":
            return NetFile(shipped.read_bytes(), file_net(shipped), parent.module, same=False)
        other = variant_net(spec, inputs, shipped, weights)
        if other.takes_stored:
            raise CannotDeploy("its net is an ONNX file already; write it as onnx, or name its parent")
        return _file_of(parent, other.net, export, same=False)


def made(
    spec: TrialSpec, inputs: NetInputs, weights: ParentTrial, data: Prepared, level: Deployment, export: Deployment
) -> NetFile:
    """What a deployment makes of the net of a trial, as a file. data: of the trial, of which the test split is not read.

    Raises as `written`, and whatever the deployment raises.
    """
    assert isinstance(level, MakesVariant)
    with torch.random.fork_rng([]), numerics(spec.protocol):
        plain = replace(spec, deployment=level, protocol=spec.protocol.model_copy(update={"compile": False}))
        of = task_of(data.info), without_test(data), weights.weights, weights.trial_id
        variant = level.make(loaded_parent(plain, *of, this_process()))
        parent = parent_net(spec, inputs, weights, _noise(inputs))
        if variant.takes_stored and variant.artifact.suffix == ONNX and getattr(export, "format", None) == "onnx":
            return NetFile(variant.artifact.content, variant.module, parent.module, same=False)
        if variant.takes_stored:
            raise CannotDeploy(f"{level.name} makes a file of onnxruntime; write it as onnx")
        return _file_of(parent, variant.module, export, same=False)


def _file_of(parent: ParentNet, net: nn.Module, export: Deployment, *, same: bool) -> NetFile:
    assert isinstance(export, MakesVariant)
    variant = export.make(in_place_of(parent, net))
    return NetFile(variant.artifact.content, variant.module, parent.module, same)


def _noise(inputs: NetInputs) -> int:
    return max(2, min(_NOISE, _MOST_NUMBERS // prod(inputs.info.shape)))


def parity_of(file: NetFile, spec: TrialSpec, inputs: NetInputs, data: Prepared | None) -> Sequence[Parity]:
    """With several numbers of examples at once: of the test split, or of random pixels where there is no data here."""
    shown = inputs.without_data(_noise(inputs)) if data is None else data
    examples = shown.split.val if data is None else shown.split.test
    largest = min(len(examples), batch_size(prod(inputs.info.shape), CPU))
    file.original.eval()
    with numerics(spec.protocol):
        found = parities(
            file.original, file.module, shown.batches, examples, largest=largest, classes=bool(inputs.info.classes)
        )
        return list(found)


def stores_bytes(data: Prepared) -> bool:
    """Whether its examples are stored as the file takes them, in 8 bits."""
    stored = data.batches.as_stored().evaluation(np.zeros(1, np.int64), 1, lambda count: slice(0, count))
    return next(stored)[0].dtype == torch.uint8
