"""One rank of a real process group: `python rank.py RANK FOLDER`. Trials that go on, and some that learn in parts.

Prints JSON: whether each resumed trial ended as the uninterrupted one, and the losses of a batch in 1 and in 3 parts.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import distributed

from tests.trainables.training.test_resume import CPU, NET, STOPPED_IN, Ran, StoppedError, same, spec_of, task_of
from trainables.dataset import DataLocation
from trainables.models.mlp import Mlp
from trainables.models.sgan import Sgan
from trainables.optimizers.sgd import Sgd
from trainables.records import EpochRow
from trainables.regularizers.augment import Augment
from trainables.regularizers.dropout import Dropout
from trainables.spec import TrialTask
from trainables.training.checkpoints import newest
from trainables.training.process_group import ProcessGroupContext
from trainables.training.trial import run_trial


class Stops(ProcessGroupContext):
    """All ranks stop in the same epoch, so that none waits for another."""

    def __init__(self, stop_in: int = 0) -> None:
        self.rows: list[EpochRow] = []
        super().__init__(CPU, lambda row: False)
        self._stop_in = stop_in

    def report(self, row: EpochRow) -> bool:
        if row.epoch == self._stop_in:
            raise StoppedError
        self.rows.append(row)
        return False


def run(trial_task: TrialTask, stop_in: int = 0) -> Ran:
    context = Stops(stop_in)
    torch.manual_seed(stop_in + 17 * context.rank)
    # only what the first rank has found counts
    resumed = trial_task.resumed_at(newest(trial_task, CPU) if context.rank == 0 else 0)
    try:
        result = run_trial(resumed, context)
    except StoppedError:
        return Ran(context.rows, None, {})
    distributed.barrier()  # the first rank has written the weights
    assert trial_task.weights is not None
    return Ran(context.rows, result, load_file(trial_task.weights))


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    place = DataLocation(data=None, beside=None, cache=folder / f"cache-{rank}")
    noisy = (Augment(crop=1, flip=True), Dropout(p=0.3))
    specs = {
        "noisy": spec_of(*noisy),
        "range": spec_of(schedule="lr_range"),
        "sgan": spec_of(model=Sgan(channels=(4,), hidden=(6,), generator_channels=(5,), latent=3, passes=1)),
    }
    equal = {}
    for name, spec in specs.items():
        whole = run(task_of(spec, place, folder / name / "whole"))
        stopped = task_of(spec, place, folder / name / "stopped")
        run(stopped, stop_in=STOPPED_IN)
        equal[name] = same(whole, run(stopped))
    run(task_of(spec_of(*noisy, model=NET), place, folder / "left"), stop_in=STOPPED_IN)
    losses = [
        [row.train_loss for row in run(task_of(spec, place, folder / f"parts-{spec.protocol.accumulate}")).rows]
        for spec in (spec_of(model=Mlp(), optimizer=Sgd(), accumulate=number) for number in (1, 3))
    ]
    print(json.dumps({"equal": equal, "losses": losses}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
