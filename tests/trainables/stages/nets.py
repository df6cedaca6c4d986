"""A trained net and what a deployment makes of it, as a slot does it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tests.trainables.few import FewDigits
from trainables.context import SingleContext
from trainables.dataset import DataLocation, Dataset
from trainables.interfaces import Deployment, Model, Regularizer
from trainables.models.mlp import Mlp
from trainables.optimizers.adam import Adam
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.spec import ParentTrial, TrialSpec, TrialTask
from trainables.stages.run import run_task

CPU = torch.device("cpu")
NOWHERE = DataLocation(data=None, beside=None, cache=Path("nowhere"))
"""For data that reads no file."""


@dataclass(frozen=True)
class TrainedNet:
    """A trial that has completed and kept its weights."""

    spec: TrialSpec
    place: DataLocation
    weights: Path
    result: TrialResult

    def variant(self, deployment: Deployment, **parent: Any) -> TrialResult:
        """What comes of it. parent: what is other of its parent than it should be."""
        return self.with_epochs(deployment, **parent)[0]

    def with_epochs(self, deployment: Deployment, **parent: Any) -> tuple[TrialResult, list[EpochRow]]:
        """The same, and the epochs that it has reported."""
        torch.set_num_threads(1)
        rows: list[EpochRow] = []
        spec = replace(self.spec, deployment=deployment)
        assert self.result.test is not None
        loss = getattr(self.result.test, "cross_entropy", None)
        made_of = replace(ParentTrial(self.spec.trial_id, self.weights, loss), **parent)
        artifact = self.weights.with_name(spec.trial_id)
        task = TrialTask(spec.trial_id, 1, spec, self.place, artifact, parent=made_of)
        return run_task(task, SingleContext(CPU, rows.append)), rows


def train(
    folder: Path,
    model: Model | None = None,
    dataset: Dataset | None = None,
    regularizers: tuple[Regularizer, ...] = (),
    data_folder: Path | None = None,
    **protocol: Any,
) -> TrainedNet:
    """Train a small net for a few epochs."""
    torch.set_num_threads(1)
    place = DataLocation(data=data_folder, beside=None, cache=folder / "cache")
    data = dataset or FewDigits()
    settings = Protocol.from_parameters({"epochs": 8, "batch_size": 16, "keep_weights": "best", **protocol})
    spec = TrialSpec(data, model or Mlp(), Adam(lr=0.01), regularizers, settings, 0, data.fingerprint(place))
    weights = folder / f"{spec.trial_id}.safetensors"
    result = run_task(TrialTask(spec.trial_id, 1, spec, place, weights), SingleContext(CPU, lambda row: False))
    assert result.status == "completed"
    return TrainedNet(spec, place, weights, result)
