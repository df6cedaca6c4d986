"""One or several numbers for each example: squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from trainables.dataset import DataInfo
from trainables.records import Scores
from trainables.task import Task

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Task):
    """Outputs and targets are numbers, (examples, DataInfo.targets), in the targets' own units."""

    name: ClassVar[str] = "regression"
    selections: ClassVar[dict[str, Literal["max", "min"]]] = {
        "val_loss": "min",
        "val_mse": "min",
        "val_mae": "min",
        "val_r2": "max",
    }
    default_selection: ClassVar[str] = "val_loss"

    def outputs(self, data: DataInfo) -> int:
        return data.targets

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error over examples and numbers, at least in float32."""

        import torch
        import torch.nn.functional as F

        numbers = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return F.mse_loss(numbers, _beside(numbers, targets))

    def scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """All measures of a split. Raises TrainablesError where outputs are not finite or there are no examples."""

        from trainables.tasks._metrics import check_finite

        check_finite(outputs)
        return self.quick_scores(outputs, targets)

    def quick_scores(self, outputs: Tensor, targets: Tensor) -> Scores:
        """All measures too; not finite where outputs are not, so that the caller can tell that the trial has diverged.

        Raises TrainablesError where there are no examples.
        """

        from trainables.tasks._metrics import check_examples

        check_examples(outputs)
        predicted = outputs.detach().cpu().double()
        true = _beside(predicted, targets.detach().cpu())
        errors = true - predicted
        mse = float(errors.square().mean())
        return Scores(loss=mse, mse=mse, mae=float(errors.abs().mean()), r2=_r2(errors, true))


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
