"""What a W&B account holds: projects, runs with their rows and files, artifacts, views."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HISTORY = "wandb-history.jsonl"
EVENTS = "wandb-events.jsonl"
SUMMARY = "wandb-summary.json"


@dataclass
class Run:
    """One run. Lines of a stream lie at the offsets at which they were sent, as W&B keeps them."""

    entity: str
    project: str
    name: str
    id: str
    about: dict[str, Any] = field(default_factory=dict)
    """Display name, group, job type, tags, configuration, as `UpsertBucket` gave them."""
    streams: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    exit_code: int | None = None
    complete: bool = False
    preempting: bool = False
    alerts: list[Mapping[str, Any]] = field(default_factory=list)
    """Those of a title that came within the time for which the first asked for silence are left out, as W&B does."""
    used: list[str] = field(default_factory=list)
    """Ids of the artifacts that it began with."""
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    """The step of each row that came for the first time, and when, on the monotonic clock."""
    received: int = 0
    """Lines of history that ever arrived, those that came twice counted twice."""

    @property
    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.streams.get(HISTORY, [])]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The history without rows that hold nothing but media."""
        return [row for row in self.history if "lr" in row]

    @property
    def state(self) -> str:
        if not self.complete:
            return "running"
        if self.exit_code and self.preempting:
            return "preempted"
        return "failed" if self.exit_code else "finished"

    @property
    def summary(self) -> dict[str, Any]:
        lines = self.streams.get(SUMMARY, ["{}"])
        return dict(json.loads(lines[-1]))

    @property
    def config(self) -> dict[str, Any]:
        message = json.loads(self.about.get("config") or "{}")
        return {key: part["value"] for key, part in message.items() if key != "_wandb"}

    def put(self, stream: str, offset: int, lines: list[str]) -> None:
        """Raises ValueError for a gap: rows would be missing."""
        kept = self.streams.setdefault(stream, [])
        if stream == SUMMARY:
            kept[:] = lines[-1:]
            return
        if offset > len(kept):
            raise ValueError(f"{stream} has {len(kept)} lines, none can stand at {offset}")
        fresh = lines[max(0, len(kept) - offset) :]
        kept[offset : offset + len(lines)] = lines
        if stream == HISTORY:
            self.received += len(lines)
            self.arrivals += [(json.loads(line)["_step"], time.monotonic()) for line in fresh]

    def resume(self) -> None:
        """Somebody opens it to go on with it: it runs."""
        self.complete = self.preempting = False
        self.exit_code = None

    def alert(self, message: Mapping[str, Any]) -> None:
        if not any(message["title"] == known["title"] for known in self.alerts):  # none of our tests takes so long
            self.alerts.append(message)


@dataclass
class View:
    """A report or a saved workspace."""

    id: str
    name: str
    entity: str
    project: str
    type: str
    display_name: str
    description: str
    spec: dict[str, Any]
    saves: int = 1


@dataclass
class Artifact:
    """One version of something that a run has logged."""

    id: str
    about: Mapping[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False
    number: int = 0
    """Of its version."""

    @property
    def collection(self) -> str:
        return str(self.about["artifactCollectionName"])

    @property
    def name(self) -> str:
        return f"{self.collection}:v{self.number}"


@dataclass
class Account:
    """Everything that one user owns."""

    entity: str
    projects: set[str] = field(default_factory=set)
    runs: dict[str, Run] = field(default_factory=dict)
    """By run id."""
    deleted: set[str] = field(default_factory=set)
    """Run ids that its owner has deleted: W&B takes none of them again."""
    views: dict[str, View] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    aliases: dict[tuple[str, str], str] = field(default_factory=dict)
    """Collection and alias to the id of the one version that has it."""

    def versions(self, type_name: str) -> list[Artifact]:
        """Of a type, such as `model`."""
        return [made for made in self.artifacts.values() if made.about["artifactTypeName"] == type_name]

    @property
    def reports(self) -> list[View]:
        return [view for view in self.views.values() if view.type == "runs"]

    @property
    def workspaces(self) -> list[View]:
        return [view for view in self.views.values() if view.type == "project-view"]
