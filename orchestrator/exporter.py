"""Keeps the Parquet tables fresh while a sweep runs, beside it and never in its way."""

import threading
import time
from typing import Final

from orchestrator.errors import InfrastructureLost
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace
from orchestrator.store.tables import export

PERIOD: Final = 30.0
"""Seconds between two exports at least."""
PATIENCE: Final = 20.0
"""An export is not begun before this many times what the last one took has passed."""


class Exporter:
    """A thread that reads the committed journal, has it copied where others look, and writes the tables."""

    def __init__(self, paths: ResultsPaths, place: JournalPlace) -> None:
        self._paths, self._place = paths, place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self.trouble: str | None = None
        """Why the latest refresh did not succeed. The final export, in the main thread, raises."""
        self._abandoned, self._first = False, PERIOD
        self.seconds = 0.0
        """What the latest export took."""

    def start(self, *, at_once: bool = False) -> None:
        """at_once: write the tables without waiting for the first period."""
        self._first = 0.0 if at_once else PERIOD
        self._thread.start()

    def abandon(self) -> None:
        """The results directory is not in its place any more: what is left for `finish` is to stop."""
        self._abandoned, self.trouble = True, None

    def finish(self) -> None:
        """Stop refreshing and export a last time. Raises DamagedResults, ResultsGone, InfrastructureLost (a full disk)."""
        self._stop.set()
        self._thread.join()
        if self._abandoned:
            return
        try:
            self._export()
        except OSError as error:
            raise InfrastructureLost(
                f"cannot write the tables of {self._paths.root}: {error}; the journal has everything: the same command"
                " writes them again"
            ) from error

    def _run(self) -> None:
        wait = self._first
        while not self._stop.wait(wait):
            try:
                self._export()
                self.trouble = None
            except Exception as error:  # noqa: BLE001 - the sweep goes on; the final export raises what still holds
                self.trouble = str(error)
            wait = max(PERIOD, PATIENCE * self.seconds)

    def _export(self) -> None:
        began = time.monotonic()
        self._place.publish()
        journal = Journal.read(self._place.published)
        try:
            export(journal, self._paths, self._place.check)
        finally:
            journal.close()
        self.seconds = time.monotonic() - began
