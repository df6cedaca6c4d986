"""The list of runs that were written, so that none is written twice."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from orchestrator.reports.runs import Finished

State = Literal["begun", "online", "offline"]
"""`begun`: some of it may have arrived; `online`: W&B has confirmed all of it; `offline`: it lies in a folder."""
_KEYS: Final = {"trial_id", "finished_at"}


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one end of a trial."""

    run_id: str
    state: State


class Ledger:
    """JSON lines, each made durable before the next run is written. A later line on the same end replaces the earlier."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ends: dict[str, dict[int, Entry]] = {}
        for line in _lines(path):
            self._note(str(line["trial_id"]), line["finished_at"], Entry(str(line["run_id"]), _state(line["mode"])))

    def state(self, trial: Finished) -> State | None:
        """Of this end of the trial; one that ran again has another."""
        found = self._ends.get(trial.trial_id, {}).get(trial.finished_at)
        return None if found is None else found.state

    def run_id(self, trial: Finished, first: str) -> str:
        """Under which this end is sent. Rows that W&B has are never replaced there, so that another end is another run."""
        ends = self._ends.get(trial.trial_id, {})
        if (known := ends.get(trial.finished_at)) is not None:
            return known.run_id
        taken = {entry.run_id for entry in ends.values() if entry.state != "offline"}
        return first if not taken else f"{first}-{len(taken) + 1}"

    def earlier(self, trial: Finished) -> list[str]:
        """Runs at W&B of other ends of the trial."""
        ends = self._ends.get(trial.trial_id, {})
        return [entry.run_id for end, entry in ends.items() if end != trial.finished_at and entry.state != "offline"]

    def add(self, trial: Finished, run_id: str, state: State) -> None:
        line = {
            "trial_id": trial.trial_id,
            "attempt": trial.attempt,
            "finished_at": trial.finished_at,
            "run_id": run_id,
            "mode": state,
        }
        with self._path.open("ab") as file:
            # a line that a crash cut off must not swallow this one
            broken = file.tell() > 0 and self._path.read_bytes()[-1:] != b"\n"
            file.write(b"\n" * broken + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._note(trial.trial_id, trial.finished_at, Entry(run_id, state))

    def _note(self, trial_id: str, finished_at: int, entry: Entry) -> None:
        self._ends.setdefault(trial_id, {})[finished_at] = entry


def _state(text: object) -> State:
    return text if text in ("begun", "online") else "offline"


def _lines(path: Path) -> list[dict[str, int]]:
    """The whole lines; one that a crash cut off is not there, and its run is written again."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.keys() >= {*_KEYS, "run_id", "mode"}:
            found.append(line)
    return found
