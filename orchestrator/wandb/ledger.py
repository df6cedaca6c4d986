"""The list of what was written, and where: nothing is written twice, and what another project lacks is sent there."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

from orchestrator.store.files import content_of, make_own
from orchestrator.wandb.runs import RunUnit
from trainables.data.files import open_to_append

State = Literal["live", "begun", "online", "offline", "superseded"]
"""`live`: its trial trains, and rows of it may be there; `begun`: all of it is on its way; `online`: W&B has confirmed all
of it; `offline`: it lies in a folder; `superseded`: W&B has it, and another end of its trial is the one that counts."""
Beside = Literal["model", "best", "alert", "measured"]
"""What W&B has beside the rows of a run: its weights; the alias `best` on them; an alert; what measurements found out."""
_KEYS: Final = ("trial_id", "run_id", "mode")


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs go."""

    url: str
    entity: str | None
    """None while it is not known whom the key stands for."""
    project: str

    def is_at(self, other: dict[str, Any]) -> bool:
        """Whether this is the place of a line; an entity that is not known may be any."""
        there = (other.get("url"), other.get("project"))
        return there == (self.url, self.project) and self.entity in (None, other.get("entity"))


class Ledger:
    """JSON lines, each made durable before the next run is written. A later line on the same run replaces the earlier.

    Lines on runs that were sent elsewhere do not count here. Lines of an older orch, which do not say where, are hints:
    W&B is asked before any of those runs is sent again.
    """

    def __init__(self, path: Path, place: Place | None = None) -> None:
        """place: where runs are sent; without, every line counts."""
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        make_own(path)
        content = _content(path)
        self._lines = _lines(content)
        self._cut = bool(content) and not content.endswith(b"\n")
        """Whether the last line was cut off by a crash: it must not swallow the next."""
        self.settle(place)

    def settle(self, place: Place | None) -> None:
        """Record where runs go, now that it is known."""
        self._place = place
        self._states: dict[str, State] = {}
        self._runs: dict[str, dict[str, None]] = {}
        """By trial, its ends in the order in which they were begun."""
        self._sent: set[str] = set()
        """Runs that W&B may have."""
        self._beside: dict[tuple[Beside, str], str] = {}
        for line in self._lines:
            self._take(line)

    def state(self, run_id: str) -> State | None:
        """Return a run's state; None where it was never begun."""
        return self._states.get(run_id)

    def beside(self, kind: Beside, of: str) -> str | None:
        """Return what was noted of it when W&B had it; None where W&B has it not."""
        return self._beside.get((kind, of))

    def earlier(self, trial: RunUnit, run_id: str) -> list[str]:
        """Runs at W&B of other ends of the trial, which are not superseded yet."""
        others = [other for other in self._runs.get(trial.trial_id, {}) if other in self._sent and other != run_id]
        return [other for other in others if self._states[other] != "superseded"]

    def in_folders(self, trial: RunUnit) -> list[str]:
        """Runs of all ends of the trial that were written offline."""
        return [run_id for run_id in self._runs.get(trial.trial_id, {}) if self._states[run_id] == "offline"]

    def add(self, trial: RunUnit, run_id: str, state: State) -> None:
        self._keep({"trial_id": trial.trial_id, "run_id": run_id, "mode": state}, elsewhere=state != "offline")

    def add_beside(self, kind: Beside, of: str, about: str) -> None:
        """W&B has it. of: the run, or what else there is one of."""
        self._keep({"trial_id": "", "run_id": of, "mode": kind, "about": about}, elsewhere=True)

    def _keep(self, line: dict[str, Any], *, elsewhere: bool) -> None:
        if elsewhere and self._place is not None:
            line["to"] = asdict(self._place)
        _append(self._path, b"\n" * self._cut + json.dumps(line).encode() + b"\n")
        self._cut = False
        self._lines.append(line)
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        to = line.get("to")
        if isinstance(to, dict) and self._place is not None and not self._place.is_at(to):
            return
        if line["mode"] in get_args(Beside):
            self._beside[cast(Beside, line["mode"]), line["run_id"]] = str(line.get("about"))
            return
        state = cast(State, line["mode"])
        if state == "online" and to is None and self._place is not None:
            state = "begun"
        self._note(line["trial_id"], line["run_id"], state)

    def _note(self, trial_id: str, run_id: str, state: State) -> None:
        self._states[run_id] = state
        self._runs.setdefault(trial_id, {})[run_id] = None
        if state != "offline":
            self._sent.add(run_id)


def rename_runs(path: Path, trials: Mapping[str, str]) -> None:
    """Have the list say of trials that have another id now what it says of them under the old one: nothing of them is sent
    again. trials: old id to new. What was still on its way is looked for under the new id, and sent there.

    Raises OSError, and as `content_of` does.
    """
    lines = _lines(_content(path))
    more = [_renamed(line, trials) for line in lines if line["mode"] not in ("live", "begun")]
    added = [line for line in more if line is not None and line not in lines]
    if added:
        _append(path, b"".join(b"\n" + json.dumps(line).encode() for line in added) + b"\n")


def _renamed(line: dict[str, Any], trials: Mapping[str, str]) -> dict[str, Any] | None:
    """None where it is on another trial."""
    trial, _, rest = line["run_id"].partition("-")
    new = trials.get(trial)
    return None if new is None else {**line, "trial_id": line["trial_id"] and new, "run_id": f"{new}-{rest}"}


def _append(path: Path, content: bytes) -> None:
    with open_to_append(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _content(path: Path) -> bytes:
    """Empty where there is none. Raises as `content_of` does."""
    try:
        return content_of(path)
    except FileNotFoundError:
        return b""


def _lines(content: bytes) -> list[dict[str, Any]]:
    """The whole lines; one that a crash cut off is not there, and its run is written again."""
    found = []
    for text in content.decode("utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and all(isinstance(line.get(key), str) for key in _KEYS) and _is_known(line["mode"]):
            found.append(line)
    return found


def _is_known(text: str) -> bool:
    return text in (*get_args(State), *get_args(Beside))
