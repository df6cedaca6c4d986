"""Where a net's answers come from, by several methods, and what each of these is worth on this net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, get_args

from pydantic import Field

from trainables.columns import Headlines
from trainables.component import Count, or_one
from trainables.dataset import DataInfo
from trainables.interfaces import Measurement, Model
from trainables.measurements._explanation_rows import ExplanationHeadlines, ExplanationTables
from trainables.records import Breakdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainables.dataset import ImageArray
    from trainables.measurements._looked_at import Looked
    from trainables.stages.measured_net import MeasuredNet
    from trainables.stages.measurement import Findings
    from trainables.stages.trial_net import TrialNet
    from trainables.training.prepare import Prepared

Method = Literal["grad_cam", "saliency", "integrated_gradients", "occlusion", "expected_gradients"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
AnyMethods = Annotated[tuple[Method, ...], or_one(str, Method | tuple[Method, ...])]


class Explain(Measurement):
    """How faithful explanations of the net are: each method beside a random map, and beside itself on an untrained net.

    Grad-CAM (Selvaraju et al. 2017), saliency (Simonyan et al. 2014), integrated gradients (Sundararajan et al. 2017),
    occlusion (Zeiler and Fergus 2014) and expected gradients (Erion et al. 2021).
    """

    name: ClassVar[str] = "explain"
    tables: ClassVar[type[Breakdown]] = ExplanationTables
    headlines: ClassVar[type[Headlines]] = ExplanationHeadlines

    methods: Annotated[AnyMethods, Field(min_length=1)] = METHODS
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
            self.gallery(net),
        )

    def gallery(self, net: MeasuredNet) -> bytes | None:
        """The PNG that `measure` keeps: a few test pictures with their maps. None where the test split is empty."""
        from trainables.measurements._gallery import gallery
        from trainables.measurements._maps import Maps

        maps = Maps.from_training(net.data, self.baseline, net.seed, net.context.check)
        return gallery(net, maps, dict.fromkeys(self.methods), self.baseline)

    def look_at(self, net: TrialNet, stored: ImageArray, data: Prepared | None, seed: int) -> Sequence[Looked]:
        """Maps of pictures (n, channels, height, width) as they are stored, each beside random ones.

        data: what the net was trained on; None where it is not at hand: the mean is then that of each channel, and expected
        gradients have no pictures to compare with. seed: of what is drawn.
        """
        from trainables.measurements._looked_at import asked_with, looked_at

        asked = asked_with(net, self.baseline, data, seed)
        return list(looked_at(net, stored, asked, tuple(dict.fromkeys(self.methods))))
