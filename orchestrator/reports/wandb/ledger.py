"""The list of runs that were written, so that none is written twice."""

import json
import os
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from orchestrator.reports.runs import Finished

State = Literal["begun", "online", "offline", "superseded"]
"""`begun`: some of it may have arrived; `online`: W&B has confirmed all of it; `offline`: it lies in a folder; `superseded`:
W&B has it, and another end of its trial is the one that counts."""
_KEYS: Final = ("trial_id", "run_id", "mode")


class Ledger:
    """JSON lines, each made durable before the next run is written. A later line on the same run replaces the earlier."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._states: dict[str, State] = {}
        self._runs: dict[str, dict[str, None]] = {}
        """By trial, its ends in the order in which they were begun."""
        self._sent: set[str] = set()
        """Runs that W&B may have."""
        for line in _lines(path):
            self._note(line["trial_id"], line["run_id"], cast(State, line["mode"]))

    def state(self, run_id: str) -> State | None:
        """None where it was never begun."""
        return self._states.get(run_id)

    def earlier(self, trial: Finished, run_id: str) -> list[str]:
        """Runs at W&B of other ends of the trial, which are not superseded yet."""
        others = [other for other in self._runs.get(trial.trial_id, {}) if other in self._sent and other != run_id]
        return [other for other in others if self._states[other] != "superseded"]

    def in_folders(self, trial: Finished) -> list[str]:
        """Runs of all ends of the trial that were written offline."""
        return [run_id for run_id in self._runs.get(trial.trial_id, {}) if self._states[run_id] == "offline"]

    def add(self, trial: Finished, run_id: str, state: State) -> None:
        line = {"trial_id": trial.trial_id, "run_id": run_id, "mode": state}
        with self._path.open("ab") as file:
            # a line that a crash cut off must not swallow this one
            broken = file.tell() > 0 and self._path.read_bytes()[-1:] != b"\n"
            file.write(b"\n" * broken + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._note(trial.trial_id, run_id, state)

    def _note(self, trial_id: str, run_id: str, state: State) -> None:
        self._states[run_id] = state
        self._runs.setdefault(trial_id, {})[run_id] = None
        if state != "offline":
            self._sent.add(run_id)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines; one that a crash cut off is not there, and its run is written again."""
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and all(isinstance(line.get(key), str) for key in _KEYS) and _is_state(line["mode"]):
            found.append(line)
    return found


def _is_state(text: str) -> bool:
    return text in get_args(State)
