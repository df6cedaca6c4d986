"""What the report's page shows, as plain values: the template and its script read these fields by name."""

from dataclasses import dataclass

from orchestrator.report.claims import ClaimSection
from orchestrator.report.gallery import Gallery
from orchestrator.report.kept_images import KeptImage
from orchestrator.report.measured import Section
from orchestrator.report.page_data import Breakdowns, Cells, Curves, DataTable, Effects, RankFigure, Tuning
from orchestrator.report.side_by_side import SideBySide
from orchestrator.report.summary import Notice, WinningCell
from orchestrator.results.confirmed import Confirmation


@dataclass(frozen=True, slots=True)
class Board:
    """The leaderboard of one data set."""

    dataset: str
    summary: str
    grid: DataTable


@dataclass(frozen=True, slots=True)
class Invocation:
    """An `orch sweep` that wrote to the directory."""

    started: str
    facts: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    grid: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file behind the figures."""

    name: str
    shows: str
    rows: int | None
    sha256: str


@dataclass(frozen=True, slots=True)
class Page:
    """The whole report."""

    sweep: str
    open: bool
    """Whether trials have still to run: then nothing of the test split is shown."""
    asked: bool
    """Whether cells are ranked by another measure than the grid selects by."""
    written: str
    trials: int
    cell_count: int
    unplanned: int
    counts: tuple[tuple[str, int], ...]
    notices: tuple[Notice, ...]
    """What the page lacks."""
    doubts: tuple[Notice, ...]
    """What to distrust of what it has."""
    winners: tuple[WinningCell, ...]
    confirmed: tuple[Confirmation, ...]
    """What came first, on fresh seeds."""
    failures: str
    claims: ClaimSection | None
    boards: tuple[Board, ...]
    cells: Cells
    curves: Curves
    breakdowns: Breakdowns
    galleries: tuple[Gallery, ...]
    """In the page itself, and not among what its script reads; so are the images of the next."""
    kept_images: tuple[KeptImage, ...]
    effects: tuple[Effects, ...]
    ranks: tuple[RankFigure, ...]
    tuning: Tuning | None
    """None where no trial tunes."""
    deployed: DataTable | None
    """Variants beside their parents; None where nothing was made of trained nets."""
    measured: tuple[Section, ...]
    """What was found out about trained nets."""
    all_trials: DataTable
    side_by_side: SideBySide
    problems: DataTable
    invocations: tuple[Invocation, ...]
    reproduce: tuple[str, ...]
    """Commands."""
    sources: tuple[Source, ...]
    damage: tuple[str, ...]
    """Tables that are damaged, a line each."""
