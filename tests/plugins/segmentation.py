"""A plug-in as a user would write it: a task of its own, which tells ink from paper in every pixel of a digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from trainables.columns import Score, Scores
from trainables.dataset import DataInfo, DataLocation, Dataset, Examples
from trainables.task import Task


class DigitMasks(Dataset):
    """scikit-learn's digits (1,797 of 8 x 8); the target is a mask, 1 where a pixel is inked by more than a half."""

    name = "digit_masks"

    def info(self, place: DataLocation) -> DataInfo:
        return DataInfo(self.name, "image", (1, 8, 8), "segmentation")

    def fingerprint(self, place: DataLocation) -> str:
        return "digit-masks-1"

    def load(self, place: DataLocation) -> Examples:
        images = load_digits().images.astype(np.float32)
        return Examples(images[:, None] / 16, (images > 8).astype(np.float32), np.zeros(len(images), dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationScores(Scores):
    """Of a mask, pixel by pixel."""

    mean_iou: Annotated[
        float,
        Score(
            "1",
            "Intersection over union of ink and of paper, their mean over all pixels of {examples}.",
            "higher",
            "mean IoU",
            each_epoch=True,
        ),
    ]
    pixel_accuracy: Annotated[
        float, Score("1", "Share of the pixels of {examples} that are right.", "higher", each_epoch=True, shown=True)
    ]
    pixel_cross_entropy: Annotated[
        float, Score("nat", "Mean negative log-likelihood of the pixels of {examples}.", "lower")
    ]


class Segmentation(Task):
    """Outputs are logits of ink, one for each pixel; targets are masks, float32 (examples, height, width)."""

    name: ClassVar[str] = "segmentation"
    scores: ClassVar[type[Scores]] = SegmentationScores
    loss_score: ClassVar[str] = "pixel_cross_entropy"
    default_selection: ClassVar[str] = "val_mean_iou"

    def target_shape(self, data: DataInfo) -> tuple[int, ...]:
        return (data.height, data.width)

    def outputs(self, data: DataInfo) -> int:
        return data.height * data.width

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs.float(), targets.flatten(1))

    def measure(self, outputs: Tensor, targets: Tensor) -> SegmentationScores:
        outputs, truth = outputs.detach().cpu().double(), targets.detach().cpu().flatten(1).bool()
        found = outputs > 0
        parts = [
            float((found == truth)[truth == ink].sum() / ((found == ink) | (truth == ink)).sum())
            for ink in (True, False)
        ]
        loss = float(F.binary_cross_entropy_with_logits(outputs, truth.double()))
        return SegmentationScores(
            loss=loss,
            pixel_cross_entropy=loss,
            mean_iou=sum(parts) / len(parts),
            pixel_accuracy=float((found == truth).double().mean()),
        )
