"""Trained nets to be measured, and modules in their place whose answers are known beforehand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.trainables.stages.nets import CPU, TrainedNet, train
from trainables.context import SingleContext
from trainables.dataset import Dataset
from trainables.datasets.digits import Digits
from trainables.interfaces import Measurement, Model
from trainables.records import TrialResult
from trainables.spec import ParentTrial, TrialTask
from trainables.stages.measured_net import MeasuredNet
from trainables.stages.measurement import Findings, Measures
from trainables.stages.parent import loaded_parent, without_test
from trainables.stages.run import run_task
from trainables.task import task_of
from trainables.training.evaluate import predict
from trainables.training.prepare import Prepared, prepared_for


def trained_on_digits(folder: Path, model: Model, dataset: Dataset | None = None, **protocol: Any) -> TrainedNet:
    """A net that is right in most of the 359 test examples."""
    return train(folder, model, dataset or Digits(), **{"epochs": 3, "batch_size": 32, **protocol})


def measure(trained: TrainedNet, measurement: Measurement) -> TrialResult:
    """What comes of a measurement in a slot."""
    torch.set_num_threads(1)
    assert trained.result.test is not None
    spec = trained.spec
    parent = ParentTrial(spec.trial_id, trained.weights, getattr(trained.result.test, "cross_entropy", None))
    task = TrialTask("0" * 16, 1, spec, trained.place, None, parent=parent, measurement=measurement)
    return run_task(task, _here())


def found_in(measurement: Measurement, net: MeasuredNet) -> Findings:
    """What it finds out about a net, whatever that is."""
    assert isinstance(measurement, Measures)
    return measurement.measure(net)


def module_of(trained: TrainedNet) -> nn.Module:
    """Its net, evaluating."""
    data, spec = _data(trained), trained.spec
    parent = loaded_parent(spec, task_of(data.info), without_test(data), trained.weights, spec.trial_id, _here())
    return parent.module


def in_its_place(trained: TrainedNet, module: nn.Module, tested: int | None = None) -> MeasuredNet:
    """Another module for the same data, as a measurement is handed it. tested: so many test examples alone."""
    data = _data(trained)
    data = replace(data, split=replace(data.split, test=data.split.test[:tested]))
    answers = predict(module, data.batches, data.split.test, trained.spec.protocol, _here())
    return MeasuredNet(module.eval(), task_of(data.info), data, trained.spec.protocol, _here(), answers, seed=1)


def _data(trained: TrainedNet) -> Prepared:
    return prepared_for(TrialTask(trained.spec.trial_id, 1, trained.spec, trained.place, None), CPU)


def _here() -> SingleContext:
    return SingleContext(CPU, lambda row: False)
