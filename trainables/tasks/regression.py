"""One or several numbers for each example: squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from trainables.columns import Score, Scores
from trainables.dataset import DataInfo
from trainables.task import Answers, Task

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionScores(Scores):
    """Averaged over the numbers where an example has several."""

    mse: Annotated[
        float,
        Score(
            "target²",
            "Mean squared error of a numeric target, on {examples}.",
            "lower",
            "mean squared error",
            each_epoch=True,
            least=0,
        ),
    ]
    mae: Annotated[
        float,
        Score(
            "target",
            "Mean absolute error of a numeric target, on {examples}.",
            "lower",
            "mean absolute error",
            each_epoch=True,
            least=0,
        ),
    ]
    r2: Annotated[
        float | None,
        Score(
            "1",
            "Coefficient of determination of a numeric target, on {examples}.",
            "higher",
            "R²",
            each_epoch=True,
            most=1,
            shown=True,
        ),
    ]


class Regression(Task):
    """Outputs and targets are numbers, (examples, DataInfo.targets), in the targets' own units."""

    name: ClassVar[str] = "regression"
    scores: ClassVar[type[Scores]] = RegressionScores
    loss_score: ClassVar[str] = "mse"
    default_selection: ClassVar[str] = "val_loss"

    def outputs(self, data: DataInfo) -> int:
        return data.targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error over examples and numbers, at least in float32."""

        import torch
        import torch.nn.functional as F

        numbers = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return F.mse_loss(numbers, _beside(numbers, targets))

    def measure(self, outputs: Tensor, targets: Tensor) -> RegressionScores:
        from trainables.tasks._metrics import check_finite

        check_finite(outputs)
        return self.measure_epoch(outputs, targets)

    def measure_epoch(self, outputs: Tensor, targets: Tensor) -> RegressionScores:
        from trainables.tasks._metrics import check_examples

        check_examples(outputs)
        predicted = outputs.detach().cpu().double()
        true = _beside(predicted, targets.detach().cpu())
        errors = true - predicted
        mse = float(errors.square().mean())
        return RegressionScores(loss=mse, mse=mse, mae=float(errors.abs().mean()), r2=_r2(errors, true))

    def constant_loss(self, targets: Tensor) -> float:
        """Of the mean: the variance, averaged over the numbers."""
        return float(targets.detach().cpu().double().var(dim=0, correction=0).mean())

    def keeps_answers(self, data: DataInfo) -> bool:
        return data.targets == 1

    def answers(self, outputs: Tensor, targets: Tensor) -> Answers | None:
        """The number itself; None where there are several to predict."""
        if outputs.shape[1] != 1:
            return None
        predicted = outputs.detach().cpu().float()
        true = _beside(predicted, targets.detach().cpu())
        return Answers(predicted[:, 0].numpy(), true[:, 0].numpy())


def _beside(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets in the shape and type of the outputs: (examples,) beside (examples, 1) would broadcast in silence."""
    return targets.to(outputs.dtype).reshape(outputs.shape)


def _r2(errors: Tensor, true: Tensor) -> float | None:
    """Share of the variance that is explained, averaged over the numbers; None for a single example.

    As scikit-learn's r2_score: a number that never varies gives 1 where it is met exactly and 0 where it is not.
    """

    import torch

    if len(true) < 2:
        return None
    unexplained = errors.square().sum(dim=0)
    varies = true.amax(dim=0) > true.amin(dim=0)
    total = (true - true.mean(dim=0)).square().sum(dim=0)
    fixed = (unexplained == 0).double()
    return float(torch.where(varies, 1 - unexplained / total, fixed).mean())
