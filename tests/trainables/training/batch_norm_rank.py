"""One of two ranks of a real process group: `python batch_norm_rank.py RANK FOLDER`. Batch norm over both of them.

Prints JSON: how far the layer is from batch norm in one process, and how trials at a batch of 4 come out.
"""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from tests.trainables.training.test_sync_batch_norm import BATCHES, CPU, keeping, spec_of, task_of
from trainables.dataset import DataLocation
from trainables.records import EpochRow
from trainables.training.process_group import ProcessGroupContext
from trainables.training.sync_batch_norm import SharedBatchNorm, synchronised
from trainables.training.trial import run_trial


def layer(shape: tuple[int, ...]) -> nn.Module:
    torch.manual_seed(1)
    kind = {2: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)]
    made = nn.Sequential(kind(shape[1], momentum=0.3))
    nn.init.uniform_(made[0].weight)
    nn.init.uniform_(made[0].bias)
    return made.train()


def passed(module: nn.Module, inputs: Tensor, weigh: Tensor) -> list[Tensor]:
    """Outputs and the gradient of the inputs; then, over all ranks, those of the parameters, and the averages."""
    inputs = inputs.clone().requires_grad_()
    outputs = module(inputs)
    torch.autograd.backward((outputs.square() * weigh).sum())
    assert inputs.grad is not None
    return [outputs.detach(), inputs.grad]


def distance(rank: int, shape: tuple[int, ...], parts: tuple[int, int]) -> float:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(shape, generator=generator) * 3 + 5
    weigh = torch.rand(shape, generator=generator)
    mine = slice(0, parts[0]) if rank == 0 else slice(parts[0], sum(parts))
    alone, shared = layer(shape), synchronised(layer(shape), CPU)
    assert isinstance(shared[0], SharedBatchNorm)
    whole, part = passed(alone, inputs, weigh), passed(shared, inputs[mine], weigh[mine])
    found = [(value - each[mine]).abs().max().item() for value, each in zip(part, whole, strict=True) if len(value)]
    for one, other in zip(shared.parameters(), alone.parameters(), strict=True):
        distributed.all_reduce(one.grad)
        found.append((one.grad - other.grad).abs().max().item() / other.grad.abs().max().item())
    for name, buffer in shared.named_buffers():
        found.append((buffer - dict(alone.named_buffers())[name]).abs().max().item())
    evaluated = [module.eval()(inputs) for module in (shared, alone)]
    found.append((evaluated[0] - evaluated[1]).abs().max().item())
    return max(found)


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    place = DataLocation(data=None, beside=None, cache=folder / f"cache-{rank}")
    distances = {str((shape, parts)): distance(rank, shape, parts) for shape, parts in BATCHES}
    trials = []
    for shares in (False, True):
        rows: list[EpochRow] = []
        trial_task = task_of(spec_of(place, sync_batch_norm=shares, workers=2), place)
        result = run_trial(trial_task, ProcessGroupContext(CPU, keeping(rows)))
        trials.append({"losses": [row.train_loss for row in rows], "accuracy": result.test.accuracy})
    print(json.dumps({"distances": distances, "trials": trials}))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
