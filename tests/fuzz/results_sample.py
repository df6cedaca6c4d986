"""What is changed at random: a finished results directory with all that may lie in one, and a tree beside it."""

import json
import os
import random
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import torch

from orchestrator.store.journal import Journal
from orchestrator.store.lock_note import Holder, write_note
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.fuzz.results_mutations import VICTIM, Place
from tests.orchestrator import sample
from trainables.training import checkpoints

GRID = """\
name: demo
axes: {dataset: [digits], model: [mlp, cnn, {name: resnet, depth: 8}, lstm], optimizer: [sgd], regularizer: [none]}
seeds: 2
claims:
  - {id: c1, text: cnn is better, better: {model: cnn}, than: {model: mlp}, on: test_accuracy}
"""
LEFT_BY = (sample.MLP_SGD, sample.MLP_ADAM)
TRIAL = sample.MLP_SGD.trial_id(0)
NO_PROCESS = 2**22 + 1
"""Linux gives no process that number."""


def make(folder: Path) -> Place:
    """Once, to be copied for each case."""
    place = Place(folder / "demo", folder / "outside")
    paths = ResultsPaths(place.root)
    _kept(paths)
    sample.write_sample(place.root)
    journal = Journal.create_or_open(paths.journal)
    journal.environment(replace(sample.environment(), environment_id="0" * 16, grid=GRID))
    journal.commit()
    export(journal, paths)
    journal.close()
    _checkpoints(paths)
    _sent(paths)
    write_note(paths, Holder("someone", socket.gethostname(), NO_PROCESS, "2026-11-02T09:30:00+00:00", "boot 1"))
    return place


def make_outside(place: Place) -> None:
    """A tree with files of the same names, and one that nobody may touch."""
    shutil.copytree(place.root, place.outside / "like")
    (place.outside / VICTIM).write_text("nobody may change this\n")
    if os.geteuid():
        (place.outside / "zero").symlink_to("/dev/zero")
    else:
        os.mknod(place.outside / "zero", 0o020666, os.makedev(1, 5))


def _kept(paths: ResultsPaths) -> None:
    for cell in LEFT_BY:
        for path in (paths.weights(cell.trial_id(0)), paths.image(cell.trial_id(0))):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(random.Random(path.name).randbytes(3000))


def _checkpoints(paths: ResultsPaths) -> None:
    for cell in (sample.RESNET_SGD, sample.CNN_ADAM):
        header = checkpoints.Header(cell.trial_id(1), "c" * 16, 2, 1, "cpu")
        checkpoints.write(
            paths.checkpoints / cell.trial_id(1), header, {"epoch": 2, "best": None}, {"w": torch.zeros(4)}
        )


def _sent(paths: ResultsPaths) -> None:
    paths.wandb.mkdir()
    to = {"url": "https://api.wandb.ai", "entity": "someone", "project": "demo"}
    lines = [{"trial_id": TRIAL, "run_id": f"{TRIAL}-1", "mode": mode, "to": to} for mode in ("begun", "online")]
    paths.wandb_sent.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    paths.wandb_report.write_text(json.dumps({"url": "https://wandb.ai/someone/demo/reports/x"}))
    paths.wandb_log.write_text("a line\n")
