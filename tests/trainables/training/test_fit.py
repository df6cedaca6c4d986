"""Several ranks learn what one would; a rank that fails does not leave the others waiting."""

import copy
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from trainables.context import Signal, SingleContext
from trainables.data.batches import Batches
from trainables.data.splits import Split
from trainables.data.statistics import ChannelStatistics
from trainables.dataset import DataInfo, Examples
from trainables.errors import TrialTimedOut
from trainables.interfaces import Optimizer, Regularizer, TrainingFacts
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.optimizers.lbfgs import Lbfgs
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow
from trainables.regularizers.class_weights import ClassWeights
from trainables.regularizers.decoupled_weight_decay import DecoupledWeightDecay
from trainables.regularizers.focal_loss import FocalLoss
from trainables.regularizers.l1 import L1
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.spec import derived_seeds
from trainables.tasks.classification import Classification
from trainables.training.fit import FitParts, TrainingResult, fit
from trainables.training.learner import LearnerParts, SupervisedLearner
from trainables.training.prepare import Prepared

INFO = DataInfo("blobs", "image", (1, 6, 6), "classification", ("a", "b", "c"))
FACTS = TrainingFacts((20, 5, 11))


class Table:
    """Where the threads of a group lay their tensors and read the others'."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=20)
        self.cards: list[Any] = [None] * size

    def all_of(self, rank: int, card: Any) -> list[Any]:
        self.cards[rank] = card
        self.barrier.wait()
        cards = list(self.cards)
        self.barrier.wait()
        return cards


class ThreadContext(SingleContext):
    """One rank of a group of threads; gradients are averaged as DDP does."""

    def __init__(self, rank: int, table: Table, report: Callable[[EpochRow], None], **limits: Any) -> None:
        super().__init__(torch.device("cpu"), report, **limits)
        self.rank, self.world_size, self._table = rank, len(table.cards), table
        self._averages = True

    def wrap(self, module: nn.Module) -> nn.Module:
        for parameter in module.parameters():
            parameter.register_post_accumulate_grad_hook(self._average)
        return module

    @contextmanager
    def no_sync(self, module: nn.Module) -> Iterator[None]:
        self._averages = False
        yield
        self._averages = True

    def _average(self, parameter: Tensor) -> None:
        assert parameter.grad is not None
        if not self._averages:
            return
        gradients = self._table.all_of(self.rank, parameter.grad.clone())
        parameter.grad.copy_(torch.stack(gradients).mean(0))

    def shard(self, count: int) -> slice:
        bounds = [count * rank // self.world_size for rank in range(self.world_size + 1)]
        return slice(bounds[self.rank], bounds[self.rank + 1])

    def all_reduce(self, value: Tensor) -> Tensor:
        return torch.stack(self._table.all_of(self.rank, value)).sum(0)

    def gather(self, value: Tensor) -> Tensor:
        return torch.cat(self._table.all_of(self.rank, value))

    def sync_buffers(self, module: nn.Module) -> None:
        first = self._table.all_of(self.rank, [buffer.clone() for buffer in module.buffers()])[0]
        for buffer, value in zip(module.buffers(), first, strict=True):
            buffer.copy_(value)

    def check(self) -> None:
        return  # as in a process group: no rank may leave alone

    def agree_max(self, signal: Signal) -> Signal:
        if self._ends is not None and time.monotonic() > self._ends:
            signal = Signal.TIMED_OUT
        return Signal(max(self._table.all_of(self.rank, signal)))


def blobs(train: int) -> Prepared:
    generator = np.random.default_rng(0)
    count = train + 41
    labels = np.arange(count) % 3
    inputs = generator.integers(0, 120, (count, 1, 6, 6))
    for label in range(3):
        inputs[labels == label, 0, 2 * label] += 100
    examples = Examples(inputs.astype(np.uint8), labels.astype(np.int64), np.zeros(count, bool))
    statistics = ChannelStatistics(np.array([0.3], np.float32), np.array([0.2], np.float32))
    indices = np.arange(count)
    split = Split(indices[:train], indices[train : train + 21], indices[train + 21 :], 0)
    batches = Batches(examples, statistics, torch.device("cpu"), channels_last=True)
    return Prepared(INFO, split, batches, FACTS)


def group(
    size: int,
    model: Any,
    train: int,
    batch_size: int,
    report: Callable[[int, EpochRow], None],
    regularizers: tuple[Regularizer, ...] = (),
    limits: Callable[[int], dict[str, Any]] = lambda rank: {},
    optimizer: Optimizer | None = None,
    **settings: Any,
) -> list[TrainingResult | BaseException]:
    """What `fit` returns or raises on each rank."""
    protocol = Protocol(epochs=3, batch_size=batch_size, **settings)
    torch.manual_seed(0)
    module, data, table = model.build(INFO, 3), blobs(train), Table(size)
    outcomes: list[Any] = [None] * size

    def work(rank: int) -> None:
        context = ThreadContext(rank, table, lambda row: report(rank, row), **limits(rank))
        task = Classification()
        chosen = optimizer or Sgd()
        parts = LearnerParts(copy.deepcopy(module), INFO, task, chosen, regularizers, protocol, context, FACTS)
        try:
            learner = SupervisedLearner(parts)
            outcomes[rank] = fit(FitParts(learner, task, data, regularizers, protocol, derived_seeds(0), context))
        except Exception as raised:  # noqa: BLE001 - what a rank raises is what the tests look at
            outcomes[rank] = raised

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def curves(outcome: TrainingResult | BaseException) -> list[float]:
    assert isinstance(outcome, TrainingResult), outcome
    return [value for row in outcome.history for value in (row.train_loss, row.val.loss, row.train_accuracy or 0)]


@pytest.mark.parametrize(("train", "batch_size"), [(90, 30), (100, 25), (91, 31), (97, 33)])
def test_unequal_parts_of_a_batch_learn_what_one_worker_learns(train: int, batch_size: int) -> None:
    def ignore(rank: int, row: EpochRow) -> None:
        return

    (alone,) = group(1, Mlp(hidden=(8,)), train, batch_size, ignore)
    together = group(3, Mlp(hidden=(8,)), train, batch_size, ignore)
    for outcome in together:
        assert curves(outcome) == pytest.approx(curves(alone), rel=1e-4)
        assert isinstance(outcome, TrainingResult) and outcome.examples == 3 * train


@pytest.mark.parametrize(
    "regularizers",
    [
        (DecoupledWeightDecay(value=1.0), L1(value=0.01)),
        (FocalLoss(), ClassWeights(), LabelSmoothing()),
    ],
)
@pytest.mark.parametrize(("train", "batch_size"), [(90, 30), (100, 25)])
def test_regularizers_mean_the_same_on_several_ranks(
    train: int, batch_size: int, regularizers: tuple[Regularizer, ...]
) -> None:
    def ignore(rank: int, row: EpochRow) -> None:
        return

    (alone,) = group(1, Mlp(hidden=(8,)), train, batch_size, ignore, regularizers)
    for outcome in group(3, Mlp(hidden=(8,)), train, batch_size, ignore, regularizers):
        assert curves(outcome) == pytest.approx(curves(alone), rel=1e-4)


@pytest.mark.parametrize("optimizer", [Sgd(lr=0.05, momentum=0.9), Lbfgs(max_iter=4, line_search_fn=None, lr=0.1)])
@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_in_parts_is_learnt_as_a_whole_one(size: int, optimizer: Optimizer) -> None:
    wrapped = (L1(value=0.01), ClassWeights()) if isinstance(optimizer, Sgd) else (ClassWeights(),)
    (whole,) = group(1, Mlp(hidden=(8,)), 97, 33, ignored, wrapped, optimizer=optimizer, clip=None)
    for accumulate in (2, 5, 1000):  # the last is cut in parts of two
        for outcome in group(
            size, Mlp(hidden=(8,)), 97, 33, ignored, wrapped, optimizer=optimizer, accumulate=accumulate
        ):
            assert curves(outcome) == pytest.approx(curves(whole), rel=1e-3)
            assert norms(outcome) == pytest.approx(norms(whole), rel=1e-3)


def test_parts_are_what_batch_norm_sees() -> None:
    net = Cnn(channels=(2,), hidden=(), batch_norm=True)
    (whole,), (parts,) = (group(1, net, 60, 30, ignored, accumulate=number) for number in (1, 15))
    assert curves(whole) != pytest.approx(curves(parts), rel=1e-3)
    assert np.isfinite(curves(parts)).all()


def test_a_rank_without_examples_takes_part() -> None:
    outcomes = group(2, Cnn(channels=(2,), hidden=(), batch_norm=True), 6, 1, lambda rank, row: None)
    assert all(np.isfinite(curves(outcome)).all() for outcome in outcomes)


def test_a_time_limit_that_one_rank_has_passed_ends_all_of_them() -> None:
    outcomes = group(
        2, Mlp(hidden=(4,)), 20, 10, lambda rank, row: None, limits=lambda rank: {"time_limit": 60.0 * rank}
    )
    assert [type(outcome) for outcome in outcomes] == [TrialTimedOut, TrialTimedOut]


def ignored(rank: int, row: EpochRow) -> None:
    return


def norms(outcome: TrainingResult | BaseException) -> list[float | None]:
    assert isinstance(outcome, TrainingResult), outcome
    return [row.gradient_norm for row in outcome.history]


@pytest.mark.parametrize("clip", [None, 0.05])
def test_every_rank_has_the_gradient_norm_of_the_whole_batch(clip: float | None) -> None:
    (alone,) = group(1, Mlp(hidden=(8,)), 97, 33, ignored, clip=clip)
    together = group(3, Mlp(hidden=(8,)), 97, 33, ignored, clip=clip)
    assert min(norm for norm in norms(alone) if norm is not None) > 0.05
    for outcome in together:
        assert norms(outcome) == pytest.approx(norms(alone), rel=1e-4)
        assert curves(outcome) == pytest.approx(curves(alone), rel=1e-4)


def test_ranks_that_search_for_their_steps_take_the_same() -> None:
    optimizer = Lbfgs(max_iter=4)
    (alone,) = group(1, Mlp(hidden=(8,)), 91, 31, ignored, optimizer=optimizer)
    together = group(3, Mlp(hidden=(8,)), 91, 31, ignored, optimizer=optimizer)
    for outcome in together:
        assert curves(outcome)[:3] == pytest.approx(curves(alone)[:3], rel=1e-3)
        assert curves(outcome) == curves(together[0])


class _Gradients(Regularizer):
    """Notes the size of every step's gradients."""

    name = "gradients"
    seen: list[float] = []  # noqa: RUF012 - a field, which pydantic copies

    def on_gradients(self, parameters: Any) -> None:
        parts = [parameter.grad.flatten() for parameter in parameters]
        self.seen.append(float(torch.cat(parts).norm()))


def test_the_norm_of_an_epoch_is_the_mean_over_its_first_and_every_eighth_step() -> None:
    steps = _Gradients()
    (outcome,) = group(1, Mlp(hidden=(8,)), 60, 3, ignored, (steps,))
    assert len(steps.seen) == 3 * 20
    expected = [np.mean(steps.seen[start : start + 20 : 8]) for start in (0, 20, 40)]
    assert norms(outcome) == pytest.approx(expected, rel=1e-5)


def test_a_norm_that_is_not_finite_is_none() -> None:
    (outcome,) = group(1, Mlp(hidden=(8,)), 60, 3, ignored, optimizer=Sgd(lr=1e30))
    assert norms(outcome)[-1] is None
