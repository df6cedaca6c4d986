"""What a net says of pictures with and without shift, and how often and how soon a detector alarms about it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.context import Context
from trainables.data.shifts.corruptions import corrupted
from trainables.data.splits import stream
from trainables.errors import CannotDeploy
from trainables.measurements._detector import DRAWS, MIN_REFERENCE, Detector, Null, Places
from trainables.measurements._drift import DETECTORS
from trainables.stages.measured_net import MeasuredNet
from trainables.training.evaluate import Outputs, predict

IN_STREAM: Final = 10
"""Windows of a stream, one after another."""


@dataclass(frozen=True)
class Seen:
    """What a net says of some pictures."""

    probabilities: NDArray[np.float64]
    """(n, classes)."""
    features: NDArray[Any]
    """(n, d): what its last linear layer takes; the probabilities where it has none."""
    correct: NDArray[np.bool_]
    """(n,): whether its answer is right."""

    def by(self, detector: str) -> NDArray[Any]:
        """What this detector looks at."""
        return self.features if detector == "mmd" else self.probabilities

    def only(self, places: NDArray[Any]) -> "Seen":
        """Of some of the pictures: their indices, or whether each is one of them."""
        return Seen(self.probabilities[places], self.features[places], self.correct[places])

    @property
    def accuracy(self) -> float | None:
        """None where there are no pictures."""
        return float(self.correct.mean()) if len(self.correct) else None


def of_validation(net: MeasuredNet) -> Seen:
    """The reference. Raises CannotDeploy where the validation split is too small for one."""
    places = net.data.split.val
    if len(places) < MIN_REFERENCE:
        raise CannotDeploy(
            f"drift compares with the validation split, of which it needs {MIN_REFERENCE} examples, and there are"
            f" {len(places)}"
        )
    return of_examples(net, places)


def of_test(net: MeasuredNet) -> Seen:
    """The whole test split as it is."""
    return of_examples(net, net.data.split.test)


def under_corruption(net: MeasuredNet, places: NDArray[np.int64], name: str, severity: int) -> Seen:
    """These examples of the test split, corrupted."""
    images = corrupted(net.images(places), name, severity, net.data.split.test[places])
    return _seen(net, lambda: net.answers_to(images, places))


def of_examples(net: MeasuredNet, indices: NDArray[np.int64]) -> Seen:
    """Examples of the data as they are. Raises CannotDeploy where the net says what is not finite."""
    return _seen(net, lambda: predict(net.module, net.data.batches, indices, net.protocol, net.context))


def _seen(net: MeasuredNet, predicted: Callable[[], Outputs]) -> Seen:
    """predicted: has the net evaluate the pictures, a batch after another."""
    with features_taken(net.module) as taken:
        outputs, targets = predicted()
    net.module.eval()
    probabilities = outputs.double().softmax(dim=1).cpu().numpy()
    features = features_of(taken, probabilities, net.context)
    if not (np.isfinite(probabilities).all() and np.isfinite(features).all()):
        raise CannotDeploy("drift compares what the net says of pictures, and of some it says what is not finite")
    return Seen(probabilities, features, (outputs.argmax(dim=1) == targets).cpu().numpy())


@contextmanager
def features_taken(module: nn.Module) -> Iterator[list[Tensor]]:
    """What its last linear layer takes within the block, a batch after another."""
    taken: list[Tensor] = []
    hooks = [last.register_forward_pre_hook(lambda _, given: taken.append(given[0].float())) for last in _last(module)]
    try:
        yield taken
    finally:
        for hook in hooks:
            hook.remove()


def features_of(taken: Sequence[Tensor], probabilities: NDArray[np.float64], context: Context) -> NDArray[Any]:
    """(n, d): what `features_taken` has found; the probabilities, (n, classes), where that is nothing of each example."""
    features = context.gather(torch.cat(list(taken))).cpu().flatten(1).numpy() if taken else probabilities
    # a layer may be such that every frame or token goes through it by itself
    return features if len(features) == len(probabilities) else probabilities


def _last(module: nn.Module) -> list[nn.Linear]:
    """Its last linear layer, where it has one."""
    return [part for part in module.modules() if isinstance(part, nn.Linear)][-1:]


@dataclass(frozen=True)
class Alarms:
    """Of windows without any order, and of the same ones as streams."""

    each: NDArray[np.bool_]
    """(windows,)."""

    @property
    def rate(self) -> float:
        """Share of the windows that are alarms."""
        return float(self.each.mean())

    def median_delay(self, size: int) -> float | None:
        """Pictures that have come until the first alarm, the median over streams. None where most have none."""
        streams = self.each[: len(self.each) // IN_STREAM * IN_STREAM].reshape(-1, IN_STREAM)
        if streams.any(axis=1).mean() <= 0.5:
            return None
        delays = np.where(streams.any(axis=1), (streams.argmax(axis=1) + 1.0) * size, np.inf)
        return float(np.median(delays))


@dataclass(frozen=True)
class Watch:
    """A detector that is calibrated for windows of one size."""

    detector: Detector
    size: int
    threshold: float
    null: Null

    @classmethod
    def calibrated(
        cls, name: str, reference: NDArray[Any], size: int, alpha: float, seed: int, draws: int = DRAWS
    ) -> "Watch":
        """reference: what the detector looks at of each example of the validation split. draws: windows of the null.

        Raises CannotDeploy where so rare a false alarm cannot be calibrated.
        """
        detector = DETECTORS[name](reference)
        null = detector.null(size, stream(f"drift null {name} {size}", seed), draws)
        try:
            return cls(detector, size, null.threshold(alpha), null)
        except ValueError as unfit:
            raise CannotDeploy(f"drift: {unfit}") from unfit

    def alarms(self, pictures: Seen, windows: Places) -> Alarms:
        """windows: of these pictures."""
        return Alarms(self.detector.statistics(pictures.by(self.detector.name), windows) > self.threshold)


def windows_of(pictures: int, size: int, many: int, purpose: str, seed: int) -> Places:
    """(many, size): so many windows of different pictures each, which are a fair sample of where the pictures are from."""
    rng = stream(f"drift windows {purpose} {size}", seed)
    return np.stack([rng.choice(pictures, size, replace=False) for _ in range(many)])
