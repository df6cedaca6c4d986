"""How a sweep's progress looks: live on a terminal, plain lines elsewhere. All of it on standard error."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.terminal import console
from orchestrator.plan.progress import Progress, Running, SilentProgress, Snapshot
from orchestrator.text import duration
from results_schema import still_to_run

MAX_RUNNING = 8
"""Running trials that the live display names."""

_STYLES = {
    "completed": "green",
    "skipped": "dim",
    "diverged": "yellow",
    "running": "cyan",
    "failed": "red",
    "timed_out": "red",
    "out_of_memory": "red",
}


@contextmanager
def display(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """The progress to hand to a sweep."""
    terminal = console(sys.stderr, None)  # this very stream: a trial's own output is caught elsewhere
    if quiet:
        yield SilentProgress()
    elif terminal.is_terminal and not verbose:
        with Live(
            console=terminal, refresh_per_second=4, transient=True, redirect_stdout=False, redirect_stderr=False
        ) as live:
            yield LiveProgress(terminal, live)
    else:
        yield PlainProgress(terminal)


class PlainProgress(Progress):
    """A line for each step and for each trial that has come to its end."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        said = f"{detail}: {label}" if status == "completed" else f"{label}: {detail}"
        left = "" if snapshot.remaining is None else f", about {duration(snapshot.remaining)} left"
        self.note(f"[{_done(snapshot)}/{snapshot.total}{left}] {status.replace('_', ' ')}: {said}")


class LiveProgress:
    """A few lines that are drawn again and again; what goes wrong stays above them."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console, self._live = console, live

    def note(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)

    def finished(self, label: str, status: str, detail: str, snapshot: Snapshot) -> None:
        if status != "completed":
            self._console.print(Text(f"{status.replace('_', ' ')}: {label}: {detail}", style=_STYLES.get(status, "")))

    def update(self, snapshot: Snapshot) -> None:
        self._live.update(_drawing(snapshot))


def _drawing(snapshot: Snapshot) -> Group:
    done = _done(snapshot)
    head = Table.grid(padding=(0, 1))
    left = "" if snapshot.remaining is None else f"about {duration(snapshot.remaining)} left"
    head.add_row(
        ProgressBar(total=max(1, snapshot.total), completed=done, width=30),
        f"{done}/{snapshot.total}",
        f"{duration(snapshot.elapsed)}",
        left,
    )
    counts = Text("  ").join(
        Text(f"{count} {status.replace('_', ' ')}", style=_STYLES.get(status, ""))
        for status, count in sorted(snapshot.counts.items())
    )
    rows: list[RenderableType] = [head, counts]
    if snapshot.running:
        rows += _slots(snapshot.running[:MAX_RUNNING])
    elif not done and snapshot.counts.get("pending"):
        rows.append(Text("  no trial has begun yet: slots are starting", style="dim"))
    if len(snapshot.running) > MAX_RUNNING:
        rows.append(Text(f"  and {len(snapshot.running) - MAX_RUNNING} more", style="cyan"))
    if snapshot.best:
        rows += [
            Text(f"best: {best}", style="bold", overflow="ellipsis", no_wrap=True) for best in snapshot.best.split("; ")
        ]
    return Group(*rows)


def _slots(running: Sequence[Running]) -> list[Text]:
    """What each slot does: how far it is, how good, then which trial, whose end is cut where there is no room."""
    epochs = [f"epoch {trial.epoch}/{trial.epochs}" if trial.epoch else "preparing" for trial in running]
    scores = ["" if trial.score is None else f"{trial.score:.4f}" for trial in running]
    wide, widest = max(map(len, epochs)), max(map(len, scores))
    return [
        Text(f"  {epoch:<{wide}}  {score:>{widest}}  {trial.label}", style="cyan", overflow="ellipsis", no_wrap=True)
        for epoch, score, trial in zip(epochs, scores, running, strict=True)
    ]


def _done(snapshot: Snapshot) -> int:
    return snapshot.total - still_to_run(snapshot.counts)
