"""One run of `orch monitor`: the net and its reference, then a window of pictures after another."""

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.errors import UserError
from orchestrator.results.monitor.kept import KeptWindows
from orchestrator.results.monitor.sources import Columns, Source, open_source
from orchestrator.results.monitor.tally import Tally
from orchestrator.results.trial_net import TrialWithNet, data_of, find_trial_with_net, not_usable, open_net
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import one_line
from trainables.dataset import DataLocation
from trainables.errors import DataError, TrainablesError
from trainables.monitoring.row import MonitorRow

if TYPE_CHECKING:
    from trainables.monitoring.reference import Reference
    from trainables.monitoring.window import WindowReader
    from trainables.stages.trial_net import TrialNet

_CLASSIFICATION: Final = "classification"


@dataclass(frozen=True, slots=True)
class MonitorRequest:
    """What a user has asked for."""

    trial: str
    images: Path
    window: int
    detectors: tuple[str, ...]
    alpha: float
    columns: Columns
    location: DataLocation
    """Where the data set is."""


@dataclass(frozen=True)
class Hearing:
    """Who is told meanwhile."""

    unread: Callable[[str, str], None]
    """A picture, and why it cannot be read."""
    progress: Callable[[int, int, int], None]
    """Number of the window, pictures that wait for it, and how many came in all."""


@dataclass
class Monitor:
    """A trial's net, about to be watched."""

    found: TrialWithNet
    reference: "Reference"
    source: Source
    kept: KeptWindows
    reader: "WindowReader"
    started_at: datetime
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, paths: ResultsPaths, request: MonitorRequest, note: Callable[[str], None]) -> "Monitor":
        """Raises UserError, DamagedResults."""
        found = find_trial_with_net(paths, request.trial)
        if found.task != _CLASSIFICATION:
            raise UserError(f"the task of trial {found.trial_id} is {found.task}; outputs of classifiers are compared")
        if found.kept.same is False:
            note("a component or the protocol has another version now: the net may say something else than it did")
        stdin = None if sys.stdin is None else sys.stdin.buffer
        source = open_source(request.images, request.columns, found.classes, stdin)
        if "labels" in request.detectors and not source.labelled:
            raise UserError(
                "the detector labels compares labels, and the pictures have none; a Parquet file may have some"
            )
        net = open_net(found, request.location)
        reference = _reference(found, net, request)
        for said in (source.note, *_differences(found)):
            if said is not None:
                note(said)
        kept = KeptWindows.of(paths, found.trial_id)
        from trainables.monitoring.window import WindowReader

        return cls(found, reference, source, kept, WindowReader(net, request.window), datetime.now(UTC))

    def windows(self, hearing: Hearing) -> Generator[Sequence[MonitorRow], None, None]:
        """The rows of each window, as soon as it is full. They are kept whatever ends it.

        Raises UserError where the source is damaged further on.
        """
        from trainables.monitoring.judge import Run, judged

        run, reader = Run(self.started_at, self.source.shown), self.reader
        try:
            for picture in self.source.pictures:
                if (why := reader.take(picture)) is not None:
                    self.tally.unreadable += 1
                    hearing.unread(one_line(picture.name), one_line(why))
                hearing.progress(self.tally.windows + 1, reader.waiting, reader.came)
                if (window := reader.full()) is not None:
                    rows = tuple(judged(window, self.tally.windows + 1, self.reference, run))
                    self.tally.add(rows, window.digest)
                    self.kept.add(rows)
                    yield rows
        except DataError as damage:
            raise UserError(one_line(str(damage))) from damage
        finally:
            self.tally.end(reader.came, reader.waiting, reader.waiting_distinct)
            self.kept.write()


def _reference(found: TrialWithNet, net: "TrialNet", request: MonitorRequest) -> "Reference":
    from trainables.monitoring.reference import Reference
    from trainables.spec import derived_seed

    try:
        _ = net.image_shape
        data = data_of(found, request.location)
        seed = derived_seed("monitor", found.kept.spec.seed)
        return Reference.of(net, data, request.detectors, request.window, request.alpha, seed)
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit


def _differences(found: TrialWithNet) -> Iterator[str]:
    """What tells any picture from elsewhere from those of the reference."""
    dataset = found.kept.spec.dataset
    made = [name for name, there in (("pixel_noise", dataset.pixel_noise), ("spurious", dataset.spurious)) if there]
    if made:
        yield (
            f"the images of trial {found.trial_id} were changed on purpose ({', '.join(made)}), and pictures from elsewhere"
            " are not: that alone may be an alarm"
        )
