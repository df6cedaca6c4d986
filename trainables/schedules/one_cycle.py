"""One cycle (Smith and Topin 2018, "Super-Convergence", as torch.optim.lr_scheduler.OneCycleLR has it)."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from trainables.protocol import Moment, Schedule


class OneCycle(Schedule):
    """Up to the configured learning rate, then down to almost nothing: once, over the whole training.

    The optimizer's learning rate is the peak. Momentum stays as it is configured: it is a level of the grid, and not
    every optimizer has one. (The paper lowers it while the learning rate is high; torch's `cycle_momentum`.)
    """

    name: ClassVar[str] = "one_cycle"

    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the training on the way up."""
    div_factor: Annotated[float, Field(ge=1)] = 25.0
    """The peak divided by this is where the learning rate begins."""
    final_div_factor: Annotated[float, Field(ge=1)] = 1e4
    """The beginning divided by this is where it ends."""
    anneal_strategy: Literal["cos", "linear"] = "cos"
    """The shape of the way from one to the next."""
    three_phase: bool = False
    """Down to the beginning as fast as it went up, and only then to the end (the paper's form)."""

    @model_validator(mode="after")
    def _phases_fit(self) -> "OneCycle":
        if self.three_phase and self.pct_start > 0.5:
            raise ValueError(
                f"three_phase goes up and down in twice pct_start, so that is at most 0.5, not {self.pct_start:g}"
            )
        return self

    def factor(self, at: Moment) -> float:
        first = 1 / self.div_factor
        last = first / self.final_div_factor
        top = self.pct_start * at.steps - 1
        if at.step <= top:
            return self._between(first, 1.0, at.step / top if top > 0 else 1.0)
        if self.three_phase and at.step <= 2 * top:
            return self._between(1.0, first, (at.step - top) / top)
        start, bottom = (first, 2 * top) if self.three_phase else (1.0, top)
        return self._between(start, last, (at.step - bottom) / (at.steps - 1 - bottom))

    def _between(self, start: float, end: float, share: float) -> float:
        """A share of the way."""
        if self.anneal_strategy == "linear":
            return start + (end - start) * share
        return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
