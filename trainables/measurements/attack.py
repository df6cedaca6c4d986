"""How well a net does on pictures that were moved, as little as nobody sees, so that it errs."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.component import Count, or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import Tensor

    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

Method = Literal["fgsm", "pgd"]
AnyAttacks = Annotated[tuple[Method, ...], or_one(str, Method | tuple[Method, ...])]
Eps = Annotated[float, Field(gt=0, le=1)]
AnyEps = Annotated[tuple[Eps, ...], or_one(Real, Eps | tuple[Eps, ...])]
_BATCH = 250
"""Pictures that are attacked at once."""


@dataclass(frozen=True, slots=True)
class AttackRow:
    """A net on the same test examples under one attack."""

    method: Annotated[str, Column("-", "`clean`; `random`, the control: random signs; `fgsm` or `pgd`.")]
    eps: Annotated[float, Column("1", "The most by which a number of a picture changes; pixels are 0 to 1.")]
    n: Annotated[int, Column("example", "Test examples that were attacked, the same of all rows of a measurement.")]
    accuracy: Annotated[float, Column("1", "Share of them that are still classified correctly.", "higher")]
    monotone: Annotated[
        bool | None,
        Column(
            "-",
            "Whether a stronger attack leaves no more right answers than a weaker one of the same eps (PGD, FGSM, random"
            " signs). False: gradients are masked, and this accuracy is no sign of robustness. Null for the other rows.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class AttackTables(Breakdown):
    """What `attack` keeps."""

    attacks: Annotated[
        tuple[AttackRow, ...],
        Rows(
            "How a trained net does on pictures that were changed against it, in units of pixels whatever its preprocessing,"
            " on the same test examples.",
            ("method", "eps"),
            since=12,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class AttackHeadlines(Headlines):
    """What `attack` tells of a net in `trials`."""

    attack_accuracy: Annotated[
        float | None,
        Headline(
            "1",
            "Accuracy under the strongest attack that `attack` measured: PGD, or FGSM, of the largest eps (`attacks`).",
            "higher",
        ),
    ] = None


class Attack(Measurement):
    """Accuracy under attacks that follow the net's own gradient, beside random changes of the same size.

    FGSM (Goodfellow et al. 2015) and PGD (Madry et al. 2018), both in the maximum norm.
    """

    name: ClassVar[str] = "attack"
    tables: ClassVar[type[Breakdown]] = AttackTables
    headlines: ClassVar[type[Headlines]] = AttackHeadlines

    methods: Annotated[AnyAttacks, Field(min_length=1)] = ("fgsm", "pgd")
    """Which."""
    eps: Annotated[AnyEps, Field(min_length=1)] = (0.05, 0.1)
    """The most by which a number of a picture changes, of pixels in 0 to 1."""
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    """Of PGD."""
    pictures: Count = 1000
    """Test examples that are attacked, at most."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.stages.measurement import Findings

        rows = tuple(self._rows(net))
        strongest = max(
            (row for row in rows if row.monotone is not None), key=lambda row: (row.eps, row.method == "pgd")
        )
        return Findings(AttackTables(attacks=rows), AttackHeadlines(attack_accuracy=strongest.accuracy))

    def _rows(self, net: MeasuredNet) -> Iterator[AttackRow]:
        import torch

        places = net.some_tested(self.pictures)
        pixels = torch.from_numpy(net.images(places)).to(net.context.device).float() / 255
        targets = net.answers(places).targets
        yield AttackRow("clean", 0.0, len(places), self._accuracy(net, pixels, targets, "clean", 0.0))
        for eps in sorted(set(self.eps)):
            left = {"random": self._accuracy(net, pixels, targets, "random", eps)}
            yield AttackRow("random", eps, len(places), left["random"])
            for method in (each for each in ("fgsm", "pgd") if each in self.methods):
                left[method] = self._accuracy(net, pixels, targets, method, eps)
                in_order = list(left.values())
                yield AttackRow(method, eps, len(places), left[method], in_order == sorted(in_order, reverse=True))

    def _accuracy(self, net: MeasuredNet, pixels: Tensor, targets: Tensor, method: str, eps: float) -> float:
        import torch

        generator = torch.Generator().manual_seed(net.seed)
        right = 0
        for start in range(0, len(pixels), _BATCH):
            net.context.check()
            own, truth = pixels[start : start + _BATCH], targets[start : start + _BATCH]
            with torch.inference_mode():
                answered = net.logits(self._moved(net, own, truth, method, eps, generator)).argmax(dim=1)
            right += int((answered == truth).sum())
        return right / len(pixels)

    def _moved(
        self, net: MeasuredNet, pixels: Tensor, targets: Tensor, method: str, eps: float, generator: torch.Generator
    ) -> Tensor:
        from trainables.measurements._attacks import fgsm, pgd, random_signs

        match method:
            case "clean":
                return pixels
            case "random":
                return random_signs(pixels, eps, generator)
            case "fgsm":
                return fgsm(net.logits, pixels, targets, eps)
            case _:
                return pgd(net.logits, pixels, targets, eps, self.steps, generator)
