"""One of two ranks of a real process group whose tensors carry the tag of a GPU: `python rank.py RANK FOLDER`.

Collectives take what nccl takes: tensors of the device alone. Prints JSON: of each trial its losses, what a GPU would have
refused, and where steps waited.
"""

import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import distributed

from tests.device_tag.cuda import device_tags
from tests.device_tag.mode import DeviceTags
from tests.device_tag.tags import CPU, CUDA, tag_of, tensors_in
from tests.device_tag.test_checkpoints import NOISY, SMALL, TRIALS, task_of
from tests.device_tag.waits import CutOffError, Steps
from trainables.models.mlp import Mlp
from trainables.models.resnet import Resnet
from trainables.optimizers.adam import Adam
from trainables.records import EpochRow
from trainables.regularizers.cutmix import Cutmix
from trainables.regularizers.gan_augment import GanAugment
from trainables.spec import TrialTask
from trainables.training.process_group import ProcessGroupContext
from trainables.training.trial import run_trial

MORE: dict[str, Any] = {
    "plain": (Mlp(hidden=(8,)), Adam(), (), {}),
    "in parts": (Mlp(hidden=(8,)), Adam(), NOISY[1:], {"accumulate": 2, "clip": 0.5}),
    "last one empty": (SMALL, Adam(), NOISY, {"batch_size": 21}),
    "depth": (Resnet(depth=8, width=4), Adam(), (Cutmix(),), {}),
    "made": (SMALL, Adam(), (GanAugment(steps=5, channels=(4,)),), {}),
}
"""Beside those that go on from a checkpoint."""
PLANTED = "a tensor of the CPU in a collective"


class Watched(ProcessGroupContext):
    """Tells where steps begin, and has all ranks cut off behind one epoch."""

    def __init__(self, steps: Steps, device: torch.device, stop_after: int | None) -> None:
        self.rows: list[EpochRow] = []
        super().__init__(device, lambda row: False)
        self._steps, self._stop_after = steps, stop_after

    def report(self, row: EpochRow) -> bool:
        self.rows.append(row)
        self._steps.epoch_over()
        if self._stop_after is not None and row.epoch > self._stop_after:
            raise CutOffError
        return False

    def check(self) -> None:
        if self.rows:
            self._steps.check()


def run(trial_task: TrialTask, device: torch.device, stop_after: int | None = None) -> dict[str, Any]:
    steps, ended = Steps(), ""
    context = Watched(steps, device, stop_after)
    with device_tags(steps) as mode, nccl(mode):
        try:
            ended = run_trial(trial_task, context).status
        except CutOffError:
            ended = "cut off"
    waits = [[*wait.site, wait.what, wait.line] for wait in steps.in_steps]
    losses = [row.train_loss for row in context.rows]
    return {"losses": losses, "mismatches": mode.mismatches, "waits": waits, "steps": steps.steps, "ended": ended}


def nccl(mode: DeviceTags) -> AbstractContextManager[object]:
    """Inside, collectives refuse tensors of the CPU while those of the device are computed with."""

    def refusing(collective: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*given: Any, **options: Any) -> Any:
            if any(tag_of(tensor) == CPU for tensor in tensors_in((given, options))):
                raise mode.refuse(f"{collective.__name__} of a tensor on the CPU")
            return collective(*given, **options)

        return checked

    names = ("all_reduce", "all_gather", "broadcast")
    refused: dict[str, Any] = {name: refusing(getattr(distributed, name)) for name in names}
    patched: AbstractContextManager[object] = patch.multiple(distributed, **refused)
    return patched


def planted() -> list[str]:
    with device_tags() as mode, nccl(mode):
        context = Watched(Steps(), CUDA, None)
        context.all_reduce(torch.ones(2, device=CUDA))
        try:
            context.all_reduce(torch.ones(2))
        except RuntimeError:
            return mode.mismatches
    return []


def _on_the_cpu(trial_task: TrialTask) -> list[float]:
    context = Watched(Steps(), CPU, None)
    run_trial(trial_task, context)
    return [row.train_loss for row in context.rows]


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    TRIALS.update(MORE)
    found: dict[str, dict[str, Any]] = {}
    for name in TRIALS:
        whole = replace(task_of(name, folder / f"rank-{rank}"), checkpoints=None)
        found[name] = run(whole, CUDA)
    for name in ("noisy", "sgan", "range"):
        trial_task = task_of(name, folder / "shared")
        found[f"{name}, cut off"] = run(trial_task, CUDA, stop_after=2)
        distributed.barrier()  # the first rank has written the checkpoint
        found[f"{name}, resumed"] = run(trial_task.resumed_at(2), CUDA)
    on_the_cpu = {
        name: _on_the_cpu(replace(task_of(name, folder / f"rank-{rank}"), checkpoints=None))
        for name in ("plain", "noisy", "in parts")
    }
    print(json.dumps({"tagged": found, "cpu": on_the_cpu, PLANTED: planted()}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
