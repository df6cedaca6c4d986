"""Run by tests/trainables/test_plugin.py in a process that has the plug-in installed: prints each trial as JSON.

`python run_brightness.py CACHE`: the plain trial, and one for each hook of the plug-in's regularizer.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import torch

from trainables.columns import values_of
from trainables.context import SingleContext
from trainables.dataset import DataLocation
from trainables.protocol import Protocol
from trainables.records import EpochRow
from trainables.registry import registry
from trainables.spec import TrialSpec, TrialTask
from trainables.training.trial import run_trial

HOOKS = ("model", "parameter_groups", "loss", "batch", "gradients", "stopping")


def trial(cache: Path, regularizers: list[dict[str, Any]]) -> dict[str, Any]:
    place = DataLocation(data=None, beside=None, cache=cache)
    dataset = registry.get("dataset", "brightness").from_parameters({})
    spec = TrialSpec(
        dataset=dataset,
        model=registry.get("model", "mlp").from_parameters({"hidden": [32]}),
        optimizer=registry.get("optimizer", "adam").from_parameters({"lr": 0.01}),
        regularizers=tuple(registry.get("regularizer", "probe").from_parameters(given) for given in regularizers),
        protocol=Protocol(epochs=10, batch_size=64),
        seed=0,
        fingerprint=dataset.fingerprint(place),
    )
    rows: list[EpochRow] = []
    trial_task = TrialTask(spec.trial_id, attempt=1, spec=spec, location=place, weights=None)
    result = run_trial(trial_task, SingleContext(torch.device("cpu"), rows.append))
    told = dataclasses.replace(result, predictions=None)  # which are bytes
    return {"result": dataclasses.asdict(told), "epochs": [values_of(row) for row in rows]}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    trials = {"plain": trial(folder, [])} | {hook: trial(folder, [{"hook": hook}]) for hook in HOOKS}
    print(json.dumps(trials))
