"""`orch verify`: every file against its checksum, every row against those that it belongs to. Writes nothing."""

import json
from collections.abc import Iterator

from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import journal_on_disk
from orchestrator.upkeep.checkpoints import checkpoint_verdicts
from orchestrator.upkeep.files import kept_verdicts, table_verdicts
from orchestrator.upkeep.journals import journal_verdicts
from orchestrator.upkeep.verdict import FileVerdict


def verify(paths: ResultsPaths) -> Iterator[FileVerdict]:
    """Of one that is known to be of orch (`results_at`). Raises UserError where it cannot be read."""
    if paths.journal.exists():
        yield from journal_verdicts(paths, paths.journal)
    else:
        yield _no_journal(paths)
    if (local := journal_on_disk(paths)) is not None:
        yield from journal_verdicts(paths, local)
    yield from table_verdicts(paths)
    yield from kept_verdicts(paths)
    yield from checkpoint_verdicts(paths)


def _no_journal(paths: ResultsPaths) -> FileVerdict:
    name = paths.journal.name
    if (cluster := left_on(paths)) is not None:
        return FileVerdict(name, None, f"on {cluster}, where the sweep ran when this was fetched: here are its tables")
    return FileVerdict(name, "it is gone: what runs or waits is not known any more")


def left_on(paths: ResultsPaths) -> str | None:
    """The cluster on which the journal stayed, as its sweep ran while this copy of its tables was fetched."""
    try:
        fetched = json.loads(paths.fetched.read_text())
        return str(fetched["cluster"]) if fetched.get("running") and not paths.journal.exists() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
