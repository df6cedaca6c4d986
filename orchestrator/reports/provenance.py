"""On what the trials ran: the rows of the `environments` table in words."""

import json
from typing import Any, Final

import pandas as pd

from orchestrator.reports.page import Invocation

INVOCATIONS_KEPT: Final = 20


def invocations(environments: pd.DataFrame) -> tuple[Invocation, ...]:
    """The latest first."""
    latest = environments.sort_values("started_at", ascending=False).head(INVOCATIONS_KEPT)
    return tuple(_invocation(row) for row in latest.to_dict("records"))


def _invocation(row: dict[Any, Any]) -> Invocation:
    facts = (
        ("Command", row["command"]),
        ("orch", f"{row['orch_version']} (results version {row['results_version']})"),
        ("Python", row["python"]),
        ("Platform", row["platform"]),
        ("Host", row["host"]),
        ("Processor", f"{row['cpu']}, {row['cpus']} used"),
        ("Memory", f"{row['memory_bytes'] / 2**30:.1f} GiB"),
        ("GPUs", _gpus(row["gpus"])),
        ("Git commit", _commit(row["git_commit"], row["git_dirty"])),
        ("Cluster", row["cluster"]),
        ("Environment id", row["environment_id"]),
    )
    return Invocation(
        started="not recorded" if pd.isna(row["started_at"]) else f"{row['started_at']:%Y-%m-%d %H:%M:%S} UTC",
        facts=tuple((name, str(value)) for name, value in facts),
        packages=tuple(sorted((str(name), str(version)) for name, version in _loaded(row["packages"], {}).items())),
        grid=str(row["grid"]),
    )


def _gpus(text: str | None) -> str:
    found = _loaded(text, None)
    return "not recorded" if found is None else ", ".join(map(str, found)) or "none"


def _loaded(text: str | None, absent: Any) -> Any:
    """A column that a table of another orch may lack."""
    return absent if text is None or pd.isna(text) else json.loads(text)


def _commit(commit: str | None, dirty: bool | None) -> str:
    if commit is None or pd.isna(commit):
        return "not a git checkout"
    return f"{commit}{' with uncommitted changes' if dirty else ''}"


def commands(environments: pd.DataFrame) -> tuple[str, ...]:
    """What runs the latest sweep again."""
    if environments.empty:
        return ()
    latest = environments.sort_values("started_at", kind="stable").to_dict("records")[-1]
    return (f"pip install orch-grid=={latest['orch_version']}", str(latest["command"]))
