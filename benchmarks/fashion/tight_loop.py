"""One trial as tight as it can be written by hand, on one thread: the floor, and what the better peers run.

Images are indexed as bytes and standardised in place, the memory format is channels_last, the optimizers are fused,
numbers below 1e-38 count as zero (they would make RMSprop with weight decay six times slower).
Evaluation passes are those of the program: validation after each epoch, then 10,000 training images, validation and
test; of the measures only loss and accuracy are taken.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.fashion.arrays import FashionArrays
from benchmarks.fashion.configurations import BATCH_SIZE, Configuration
from benchmarks.fashion.network import network, optimizer, penalise

_EVALUATION_BATCH = 250


@dataclass(frozen=True)
class FashionTensors:
    """What the loop indexes. Images uint8 (examples, 1, 28, 28)."""

    pool: Tensor
    pool_labels: Tensor
    test: Tensor
    test_labels: Tensor
    train: Tensor
    val: Tensor
    clean: Tensor
    scale: float
    shift: float


def tensors(arrays: FashionArrays) -> FashionTensors:
    """Shares the arrays' memory; the mean and deviation are those of the training split."""
    pool = torch.from_numpy(arrays.pool).unsqueeze(1)
    train = torch.from_numpy(arrays.train)
    counts = torch.bincount(pool[train].flatten(), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = float((counts * values).sum() / counts.sum())
    std = float(((counts * (values - mean) ** 2).sum() / counts.sum()).sqrt())
    return FashionTensors(
        pool,
        torch.from_numpy(arrays.pool_labels),
        torch.from_numpy(arrays.test).unsqueeze(1),
        torch.from_numpy(arrays.test_labels),
        train,
        torch.from_numpy(arrays.val),
        torch.from_numpy(arrays.clean),
        scale=1 / std,
        shift=-mean / std,
    )


def train_and_measure(configuration: Configuration, data: FashionTensors, epochs: int) -> float:
    """The test accuracy of one trial."""
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    module = network(configuration.dropout).to(memory_format=torch.channels_last)
    stepper = optimizer(module, configuration, fast=True)
    for _ in range(epochs):
        _epoch(module, stepper, configuration, data)
        _measure(module, data.pool, data.pool_labels, data.val, data)
    _measure(module, data.pool, data.pool_labels, data.clean, data)
    _measure(module, data.pool, data.pool_labels, data.val, data)
    return _measure(module, data.test, data.test_labels, torch.arange(len(data.test)), data)[1]


def _epoch(
    module: nn.Module, stepper: torch.optim.Optimizer, configuration: Configuration, data: FashionTensors
) -> tuple[float, float]:
    """Running loss and accuracy, as the program has them."""
    module.train()
    losses, correct = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
    for chosen in torch.split(data.train[torch.randperm(len(data.train))], BATCH_SIZE):
        targets = data.pool_labels.index_select(0, chosen)
        outputs = module(_standardised(data.pool.index_select(0, chosen), data))
        loss = F.cross_entropy(outputs, targets)
        stepper.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        penalise(module, configuration)
        stepper.step()
        with torch.no_grad():
            losses += loss.detach() * len(targets)
            correct += (outputs.argmax(1) == targets).sum()
    return float(losses) / len(data.train), float(correct) / len(data.train)


def _measure(
    module: nn.Module, images: Tensor, labels: Tensor, indices: Tensor, data: FashionTensors
) -> tuple[float, float]:
    """Loss and accuracy of a split."""
    module.eval()
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for chosen in torch.split(indices, _EVALUATION_BATCH):
            outputs, targets = module(_standardised(images.index_select(0, chosen), data)), labels[chosen]
            loss += float(F.cross_entropy(outputs, targets, reduction="sum"))
            correct += int((outputs.argmax(1) == targets).sum())
    return loss / len(indices), correct / len(indices)


def _standardised(images: Tensor, data: FashionTensors) -> Tensor:
    """One channel is contiguous and channels_last at once."""
    return images.to(torch.float32, memory_format=torch.channels_last).mul_(data.scale).add_(data.shift)
