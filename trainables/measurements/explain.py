"""Where a net's answers come from, by several methods, and what each of these is worth on this net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from trainables.columns import Headlines
from trainables.component import Count, or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.measurements._explanation_rows import ExplanationHeadlines, ExplanationTables
from trainables.records import Breakdown

if TYPE_CHECKING:
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings

Method = Literal["grad_cam", "saliency", "integrated_gradients", "occlusion", "expected_gradients"]
AnyMethods = Annotated[tuple[Method, ...], or_one(str, Method | tuple[Method, ...])]


class Explain(Measurement):
    """How faithful explanations of the net are: each method beside a random map, and beside itself on an untrained net.

    Grad-CAM (Selvaraju et al. 2017), saliency (Simonyan et al. 2014), integrated gradients (Sundararajan et al. 2017),
    occlusion (Zeiler and Fergus 2014) and expected gradients (Erion et al. 2021).
    """

    name: ClassVar[str] = "explain"
    tables: ClassVar[type[Breakdown]] = ExplanationTables
    headlines: ClassVar[type[Headlines]] = ExplanationHeadlines

    methods: Annotated[AnyMethods, Field(min_length=1)] = (
        *("grad_cam", "saliency", "integrated_gradients", "occlusion", "expected_gradients"),
    )
    """Which."""
    pictures: Count = 200
    """Test examples that are explained, at most."""
    baseline: Literal["mean", "black"] = "mean"
    """What stands in place of a pixel that is not there: the mean of the training pictures, or black."""

    def unsupported_reason(self, data: DataInfo, model: Model) -> str | None:
        return self.needs_images(data)

    def measure(self, net: MeasuredNet) -> Findings:
        from trainables.measurements._explaining import Explained
        from trainables.stages.measurement import Findings

        explained = Explained.of(net, self.pictures, self.baseline)
        rows = tuple(explained.rows(dict.fromkeys(self.methods)))
        gains = {row.method: row.deletion_gain for row in rows}
        return Findings(
            ExplanationTables(explanations=rows),
            ExplanationHeadlines(explanation_gain=gains.get("integrated_gradients")),
        )
