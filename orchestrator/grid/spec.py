"""A sweep as the user wants it: what a grid file says, validated, with its levels still to be expanded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, SkipValidation

from clusters.yaml_file import YamlMapping
from orchestrator.errors import Problem, UserError
from orchestrator.grid.axis import Axis
from orchestrator.grid.claims import Claim
from orchestrator.grid.looks import LookPlan
from orchestrator.grid.mistakes import Mistakes, grid_error
from orchestrator.grid.rules import Exclude, Override
from orchestrator.grid.seeds import MAX_SEED
from orchestrator.grid.settings import CheckpointPolicy, Resources, Wandb, changed
from orchestrator.grid.tuning import TuningSpec
from orchestrator.grid.updating import UpdateSpec
from trainables.interfaces import Measurement
from trainables.protocol import Protocol
from trainables.spec import SOURCES, Source, Variation


class Axes(NamedTuple):
    """The factors of the grid."""

    dataset: Axis
    model: Axis
    optimizer: Axis
    regularizer: Axis
    deployment: Axis


class GridSpec(BaseModel):
    """What a grid file says. Read with `orchestrator.grid.read_grid`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="forbid", defer_build=True)

    path: Path
    """The file."""
    name: str
    """Of the sweep, and of its results directory."""
    axes: Annotated[Axes, SkipValidation]
    seeds: Annotated[Sequence[int], SkipValidation]
    """All different, none negative. Where they are added until claims are decided, those of the first look."""
    most: int | None = None
    """So many a cell has at most, where they are added until claims are decided; None where their number is fixed."""
    vary: tuple[Source, ...] = SOURCES
    """What differs from seed to seed."""
    protocol: Protocol
    resources: Resources
    exclude: Annotated[tuple[Exclude, ...], SkipValidation] = ()
    include: Annotated[tuple[Axes, ...], SkipValidation] = ()
    """Cells to add: the product of each."""
    zip: tuple[tuple[str, ...], ...] = ()
    """Axes that are walked level by level."""
    overrides: Annotated[tuple[Override, ...], SkipValidation] = ()
    tuning: Annotated[TuningSpec | None, SkipValidation] = None
    measure: Annotated[tuple[Measurement, ...], SkipValidation] = ()
    """What is found out about each trained net, each entry once; no part of any trial's identity."""
    update: Annotated[UpdateSpec | None, SkipValidation] = None
    """The stream along which nets are trained again; no part of any other trial's identity."""
    claims: Annotated[tuple[Claim, ...], SkipValidation] = ()
    """What is claimed of the results; no part of any trial's identity."""
    family: int | None = None
    """Claims of the whole study, where it has more grids than this one."""
    wandb: Wandb
    checkpoints: CheckpointPolicy | None = CheckpointPolicy()
    """None where none are kept."""
    keeps_every_weight: bool = False
    """Whether all trials keep their weights, whatever the file says. No part of any trial's identity."""
    warnings: tuple[Problem, ...] = ()
    """What is allowed and may be a mistake."""
    written: Annotated[YamlMapping, SkipValidation]
    """The whole file, of which overrides change sections."""

    def settings(self, overrides: Sequence[Override]) -> tuple[Protocol, Resources]:
        """Protocol and resources under some overrides, a later one above an earlier. Raises GridError."""
        if not overrides:
            return self._asked_for(self.protocol), self.resources
        try:
            protocol, resources = (self._under(overrides, section) for section in ("protocol", "resources"))
        except Mistakes as wrong:
            raise grid_error(self.path, wrong.placed(self.written, self.written.at)) from None
        return self._asked_for(cast(Protocol, protocol)), cast(Resources, resources)

    @property
    def variation(self) -> Variation | None:
        """What the seeds vary, where that is not all."""
        return None if self.vary == SOURCES else Variation(self.vary, self.seeds[0])

    @property
    def tests(self) -> int:
        """Claims that p is corrected for, one at least: this grid's and those of other grids of its study."""
        return max(1, len(self.claims), self.family or 0)

    @property
    def looks(self) -> LookPlan | None:
        """When the claims are looked at, where seeds are added until they are decided."""
        return None if self.most is None else LookPlan.until(self.most, len(self.claims))

    def with_seeds(self, count: int) -> "GridSpec":
        """The same grid with so many seeds, a fixed number: 0 to count - 1, or the first of a list. Raises UserError."""
        if count > MAX_SEED:
            raise UserError(f"--seeds {count} is too many: the largest seed is {MAX_SEED}")
        if self.tuning is not None and self.tuning.without_seeds(self.seeds[:count]):
            raise UserError(f"--seeds {count} leaves repetitions of tuning without a seed that runs with their choice")
        if isinstance(self.seeds, range):
            return self.model_copy(update={"seeds": range(count), "most": None})
        if count > len(self.seeds):
            raise UserError(f"--seeds {count} asks for more seeds than the list in {self.path} has ({len(self.seeds)})")
        return self.model_copy(update={"seeds": self.seeds[:count]})

    def _asked_for(self, protocol: Protocol) -> Protocol:
        """A protocol with what holds for all cells whatever overrides say of it."""
        tested = self._tested_apart(protocol)
        return tested.model_copy(update={"keep_weights": "best"}) if self.keeps_every_weight else tested

    def _tested_apart(self, protocol: Protocol) -> Protocol:
        """Under tuning all seeds have one test split, which no tuning trial learns from or selects on."""
        if self.tuning is None or protocol.splits.test_seed is not None:
            return protocol
        return protocol.model_copy(update={"splits": protocol.splits.model_copy(update={"test_seed": 0})})

    def _under(self, overrides: Sequence[Override], section: str) -> BaseModel:
        settings = [setting for override in overrides for setting in override.settings.get(section, ())]
        return changed(section, self.written.get(section), settings)
