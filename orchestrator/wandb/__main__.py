"""The process: writes the trials of a results directory as W&B runs, while they train too, then the report of the sweep.

Nothing that happens here can slow down or break a trial. Without a key runs are written offline; with one, what does not
reach W&B is pending, and `orch wandb push` sends it.
"""

import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from orchestrator.errors import OrchError
from orchestrator.grid.settings import Destination, Mode
from orchestrator.outputs import open_outputs
from orchestrator.store.lock import check_writable_paths
from orchestrator.store.paths import ResultsPaths
from orchestrator.wandb.patience import Patience
from orchestrator.wandb.process import PENDING, has_key
from trainables.data.files import remove_unfinished

# Where the SDK keeps files on their way: a folder of the results, where what a killed writer leaves is found and
# goes.

_ARTIFACTS: Final = "WANDB_DATA_DIR"
"""Below it the SDK copies what artifacts hold, and leaves it there when it is killed."""


@contextmanager
def staging(folder: Path) -> Iterator[None]:
    """Make the folder, for whoever holds the writer's lock: whatever is in it is of writers that are gone.

    Also the SDK's temporary files, which it makes while it is imported, and folders that its `Api` makes for each run.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    before, temporary = os.environ.get(_ARTIFACTS), tempfile.tempdir
    os.environ[_ARTIFACTS], tempfile.tempdir = str(folder), str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        os.environ.pop(_ARTIFACTS)
        if before is not None:
            os.environ[_ARTIFACTS] = before
        shutil.rmtree(folder, ignore_errors=True)


_FINISH_SECONDS: Final = 60.0
"""What the rest of one run may take to be sent."""


def _say(text: str) -> None:
    """Write to the log of the writer, which is where standard error goes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _end_of_input() -> Callable[[], bool]:
    """True once the parent has closed its end of the pipe, or is gone."""
    over = threading.Event()

    def read() -> None:
        sys.stdin.buffer.read()
        over.set()

    threading.Thread(target=read, daemon=True).start()
    return over.is_set


@contextmanager
def _alone(paths: ResultsPaths) -> Iterator[None]:
    lock = FileLock(paths.wandb_lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _say("another process writes W&B runs of these results, the running sweep's perhaps; waiting for its end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("to")
@click.option("--mode", type=click.Choice(["auto", "online", "offline", "disabled"]), default="auto", show_default=True)
@click.option("--answer-seconds", type=float, default=30.0, show_default=True, help="Then runs are pending.")
@click.option("--finish-seconds", type=float, default=_FINISH_SECONDS, show_default=True, help="The same, of one run.")
@click.option(
    "--parcel-seconds",
    type=click.FloatRange(min=1),
    default=5.0,
    show_default=True,
    help="Between two parcels of rows.",
)
@click.option("--report/--no-report", default=True, show_default=True, help="Write the report when all runs are there.")
@click.option("--follow", is_flag=True, help="Go on until standard input ends.")
def main(
    results: Path,
    to: str,
    mode: Mode,
    answer_seconds: float,
    finish_seconds: float,
    parcel_seconds: float,
    report: bool,
    follow: bool,
) -> None:
    """Write the trials of RESULTS as W&B runs, each once. Ends with PENDING where W&B does not have all of them.

    TO is a `Destination` in JSON.

    Prints one JSON object: how many runs were written, were there already, are pending and why; and the report's address.
    """
    if mode == "disabled":
        return
    paths = ResultsPaths(results)
    check_writable_paths(paths)
    paths.wandb.mkdir(parents=True, exist_ok=True)
    online = mode == "online" or (mode == "auto" and has_key())
    # a writer of an earlier invocation may still be at work; two would write the same runs
    with _alone(paths), staging(paths.wandb_staging):
        remove_unfinished(paths.wandb)
        # the SDK makes temporary folders while it is imported
        from orchestrator.wandb.writer import write

        patience = Patience(answer_seconds, finish_seconds, parcel_seconds)
        stop = _end_of_input() if follow else None
        where = TypeAdapter(Destination).validate_json(to)
        written, address = write(paths, where, patience, online=online, report=report, stop=stop, say=_say)
    click.echo(json.dumps({**asdict(written), "report": address}))
    if written.pending or (online and report and written.finished and not address):
        sys.exit(PENDING)


if __name__ == "__main__":
    open_outputs()  # a log that cannot be written is no reason to send less
    try:
        main()
    except OrchError as error:
        sys.exit(str(error))
