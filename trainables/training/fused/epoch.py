"""An epoch of several trials at once: their steps, and what their nets then give for their validation splits."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.data.batches import BatchChanges
from trainables.fusion.layers import stacked
from trainables.interfaces import Loss
from trainables.protocol import Moment
from trainables.training.evaluate import Outputs, batch_size
from trainables.training.fit import GRADIENTS_MEASURED, EpochResult, FitParts, Training, norms_of, steps_of_an_epoch
from trainables.training.fused.batches import Drawn, StackedBatch, StackedBatches
from trainables.training.fused.member import FusedMember

T = TypeVar("T")
Scope = Callable[[int], AbstractContextManager[object]]
"""Inside, what is done is one place's own."""


@dataclass(slots=True)
class _Learning:
    """One place's epoch under way."""

    training: Training
    member: FusedMember
    parts: list[Tensor]
    """The examples of each batch."""
    drawn: Drawn
    steps: int
    norms: list[Tensor] = field(default_factory=list)
    examples: int = 0

    def before(self, at: int) -> None:
        """Get ready for a step. Raises TrialTimedOut and TrialCancelled."""
        fit_parts, history = self.training.parts, self.training.history
        fit_parts.context.check()
        epochs = fit_parts.protocol.epochs
        moment = Moment(len(history) * self.steps + at, self.steps * epochs, len(history), epochs, history)
        self.member.set_lr_factor(fit_parts.protocol.schedule.factor_after_warm_up(moment))
        self.member.measures_gradients = at % GRADIENTS_MEASURED == 0

    def step(self) -> None:
        norm = self.member.learn()
        if self.member.measures_gradients and norm is not None:
            self.norms.append(norm)


class FusedTrainer:
    """The nets of several trials as one, and the batches of all of them."""

    def __init__(self, fit_parts: Sequence[FitParts | None], scope: Scope) -> None:
        """fit_parts: of each place, None where nobody is; the learners are `FusedMember`s, which join the stack.

        Raises CannotFuse.
        """
        self._members = [None if each is None else _member(each) for each in fit_parts]
        self._parts, self._scope = fit_parts, scope
        modules = [None if member is None else member.module for member in self._members]
        self._stack = stacked(modules, [None if member is None else member.layers for member in self._members])
        rows = self._stack.rows
        for place, member in enumerate(self._members):
            if member is not None:
                member.join(rows.values[place], rows.gradients[place])
        batches = [None if each is None else each.data.batches for each in fit_parts]
        self._batches = StackedBatches(batches, maps=self._stack.layout == "maps")
        self._task = next(member for member in self._members if member is not None).task
        self._device = rows.values.device

    def learn(self, trainings: Mapping[int, Training]) -> dict[int, EpochResult | BaseException]:
        """Have each of these places learn its next epoch. What a place raises is its own."""
        epochs = {place: self._begun(place, training) for place, training in trainings.items()}
        losses = torch.zeros(self._stack.width, dtype=torch.float64, device=self._device)
        correct = torch.zeros(self._stack.width, dtype=torch.int64, device=self._device)
        raised: dict[int, BaseException] = {}
        counts_hits = True
        for at in range(max(len(epoch.parts) for epoch in epochs.values())):
            for places in _of_one_size(epochs, at):
                ready = [place for place in places if self._ready(place, epochs[place], at, raised)]
                if ready:
                    counts_hits &= self._step(ready, epochs, at, losses, correct, raised)
        sums, hits = losses.tolist(), correct.tolist()
        results: dict[int, EpochResult | BaseException] = {}
        for place, epoch in epochs.items():
            if place in raised:
                results[place] = raised[place]
                continue
            accuracy = hits[place] / epoch.examples if counts_hits else None
            results[place] = EpochResult(sums[place] / epoch.examples, accuracy, *norms_of(epoch.norms), epoch.examples)
        return results

    def validate(self, places: Sequence[int]) -> dict[int, Outputs]:
        """What the nets of these places give for their validation splits."""
        parts = {place: self._fit_parts(place) for place in places}
        shape = next(iter(parts.values())).data.batches.shape
        size = max(1, batch_size(prod(shape) * self._stack.width, self._device))
        cut = {place: _cut(each.data.split.val, size, each) for place, each in parts.items()}
        outputs: dict[int, list[Tensor]] = {place: [] for place in places}
        targets: dict[int, list[Tensor]] = {place: [] for place in places}
        with self._stack.evaluating():
            for at in range(max(map(len, cut.values()))):
                for alike in _of_one_length({place: parts[at] for place, parts in cut.items() if at < len(parts)}):
                    chosen = [cut[place][at] if place in alike else None for place in range(self._stack.width)]
                    batch = self._batches.gather(chosen)
                    assert batch is not None, "somebody has examples"
                    found = self._stack.forward(batch.inputs).float()
                    for place in alike:
                        target = batch.targets[place]
                        assert target is not None
                        outputs[place].append(found[place])
                        targets[place].append(target)
        return {place: Outputs(torch.cat(outputs[place]), torch.cat(targets[place])) for place in places}

    def _begun(self, place: int, training: Training) -> _Learning:
        parts, member = training.parts, self._members[place]
        assert member is not None
        data, protocol = parts.data, parts.protocol
        examples = data.batches.shuffled(
            data.split.train, protocol.batch_size, training.streams.shuffle, parts.context.shard
        )
        drawn = Drawn(BatchChanges(parts.regularizers, len(data.info.classes)), training.streams.augment)
        return _Learning(training, member, examples, drawn, steps_of_an_epoch(parts))

    def _ready(self, place: int, epoch: _Learning, at: int, raised: dict[int, BaseException]) -> bool:
        return place not in raised and self._own(place, lambda: epoch.before(at), raised)

    def _own(self, place: int, act: Callable[[], object], raised: dict[int, BaseException]) -> bool:
        """Whether a place has done what is its own; where it raises, it learns no more."""
        self._apart(place, act, raised)
        return place not in raised

    def _apart(self, place: int, act: Callable[[], T], raised: dict[int, BaseException]) -> T | None:
        """What a place does by itself gives; None where it raises."""
        member = self._members[place]
        assert member is not None
        try:
            with self._scope(place), member.draws():
                return act()
        except BaseException as error:  # noqa: BLE001 - whatever a trial raises is its outcome, and nobody else's
            raised[place] = error
            return None

    def _step(
        self,
        places: Sequence[int],
        epochs: Mapping[int, _Learning],
        at: int,
        losses: Tensor,
        correct: Tensor,
        raised: dict[int, BaseException],
    ) -> bool:
        """Whether there are right answers to count."""
        width = self._stack.width
        chosen = [epochs[place].parts[at] if place in places else None for place in range(width)]
        drawn = [epochs[place].drawn if place in places else None for place in range(width)]
        batch = self._batches.gather(chosen, drawn, lambda place, act: self._apart(place, act, raised))
        places = [place for place in places if place not in raised]
        if batch is None or not places:
            return True
        others = [place for place in epochs if place not in places]
        with self._stack.learning(places, others):
            outputs = self._stack.forward(batch.inputs)
        own = {place for place in places if batch.labels is None and _is_soft(batch.targets[place])}
        own |= {place for place in places if self._loss(place) is not None}
        labels = _labels(batch, own)
        each = self._losses(places, own, outputs, batch, labels, raised)
        places = [place for place in places if place not in raised]
        if not places:
            return True
        penalised = [self._members[place] for place in places if self._loss(place) is not None]
        self._stack.rows.differentiate(each.sum(), [one for each in penalised if each for one in each.parameters])
        hits = self._hits(places, own, outputs.detach(), batch, labels)
        size = batch.inputs.shape[0 if self._stack.layout == "maps" else 1]
        at_places = self._stack.index(places)
        losses.index_add_(0, at_places, (each.detach()[at_places] * size).double())
        if hits is not None:
            correct.index_add_(0, at_places, hits[at_places])
        for place in places:
            epochs[place].examples += size
            self._own(place, epochs[place].step, raised)
        return hits is not None

    def _losses(
        self,
        places: Sequence[int],
        own: set[int],
        outputs: Tensor,
        batch: StackedBatch,
        labels: Tensor | None,
        raised: dict[int, BaseException],
    ) -> Tensor:
        """Of each place, (width,). What a place has is computed in the same way whoever is beside it."""
        together = outputs.new_zeros(len(outputs)) if labels is None else self._task.losses(outputs, labels)
        if not own:
            return together
        found = list(together.unbind())
        for place in places:
            if place in own:
                loss, target = self._loss(place) or self._task.loss, batch.targets[place]
                assert target is not None
                value = self._apart(place, partial(_scalar, loss, outputs[place], target), raised)
                found[place] = found[place] if value is None else value
        return torch.stack(found)

    def _hits(
        self, places: Sequence[int], own: set[int], outputs: Tensor, batch: StackedBatch, labels: Tensor | None
    ) -> Tensor | None:
        if labels is not None and not any(_is_soft(batch.targets[place]) for place in own):
            return self._task.hits(outputs, labels if batch.labels is None else batch.labels)
        found: list[Tensor] = [torch.zeros((), dtype=torch.int64, device=self._device)] * len(outputs)
        for place in places:
            target = batch.targets[place]
            assert target is not None
            right = self._task.correct(outputs[place], target)
            if right is None:
                return None
            found[place] = right
        return torch.stack(found)

    def _loss(self, place: int) -> Loss | None:
        member = self._members[place]
        return None if member is None else member.loss

    def _fit_parts(self, place: int) -> FitParts:
        parts = self._parts[place]
        assert parts is not None
        return parts


def _scalar(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """A loss that can be learnt from. Raises RuntimeError."""
    value = loss(outputs, targets)
    if value.ndim or not value.requires_grad:
        raise RuntimeError(f"the loss has to be a scalar that depends on the net, not {tuple(value.shape)}")
    return value


def _member(parts: FitParts) -> FusedMember:
    assert isinstance(parts.learner, FusedMember), "it was built as one"
    return parts.learner


def _cut(indices: NDArray[np.int64], size: int, parts: FitParts) -> list[Tensor]:
    """A split in parts of so many examples."""
    return list(torch.split(parts.data.batches.beside(indices), size))


def _of_one_size(epochs: Mapping[int, _Learning], at: int) -> Iterator[list[int]]:
    """The places that have a batch at this step, those with as many examples together."""
    return _of_one_length({place: epoch.parts[at] for place, epoch in epochs.items() if at < len(epoch.parts)})


def _of_one_length(parts: Mapping[int, Tensor]) -> Iterator[list[int]]:
    for length in sorted({len(part) for part in parts.values()}, reverse=True):
        yield [place for place, part in parts.items() if len(part) == length]


def _is_soft(targets: Tensor | None) -> bool:
    """Whether targets are anything but labels, which are learnt from all at once."""
    return targets is not None and (targets.is_floating_point() or targets.ndim != 1)


def _labels(batch: StackedBatch, own: set[int]) -> Tensor | None:
    """(width, batch), zeros where there are none; None where no place has any."""
    if batch.labels is not None:
        return batch.labels
    there = {place: each for place, each in enumerate(batch.targets) if each is not None and place not in own}
    if not there:
        return None
    nobody = torch.zeros_like(next(iter(there.values())))
    return torch.stack([there.get(place, nobody) for place in range(len(batch.targets))])
