"""The list of runs that were written, so that none is written twice."""

import json
import os
from pathlib import Path

from orchestrator.reports.runs import Finished


class SentRuns:
    """JSON lines, each made durable before the next run is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = {(line["trial_id"], line["finished_at"]) for line in _lines(path)}

    def __contains__(self, trial: Finished) -> bool:
        """Whether this end of the trial was written; a trial that ran again has another."""
        return (trial.trial_id, trial.finished_at) in self._known

    def add(self, trial: Finished, run_id: str, mode: str) -> None:
        line = {
            "trial_id": trial.trial_id,
            "attempt": trial.attempt,
            "finished_at": trial.finished_at,
            "run_id": run_id,
            "mode": mode,
        }
        with self._path.open("ab") as file:
            # a line that a crash cut off must not swallow this one
            broken = file.tell() > 0 and self._path.read_bytes()[-1:] != b"\n"
            file.write(b"\n" * broken + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._known.add((trial.trial_id, trial.finished_at))


def _lines(path: Path) -> list[dict[str, object]]:
    """The whole lines; one that a crash cut off is not there, and its run is written again."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and {"trial_id", "finished_at"} <= line.keys():
            found.append(line)
    return found
