"""`orch verify`: every file against its checksum, every row against those that it belongs to. Writes nothing."""

from collections.abc import Iterator

from orchestrator.store.fetched import read_fetched
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.permission import not_permitted
from orchestrator.store.place import journal_on_disk
from orchestrator.store.places import strange_places
from orchestrator.upkeep.checkpoints import checkpoint_verdicts
from orchestrator.upkeep.files import kept_verdicts, table_verdicts
from orchestrator.upkeep.journals import journal_verdicts
from orchestrator.upkeep.verdict import FileVerdict


def verify(paths: ResultsPaths) -> Iterator[FileVerdict]:
    """Of one that is known to be of orch (`results_at`). Raises UserError where it may not be read."""
    try:
        yield from _verdicts(paths)
    except PermissionError as error:
        raise not_permitted(paths.root, error) from error


def _verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    if paths.journal.exists() or paths.journal.is_symlink():
        yield from journal_verdicts(paths, paths.journal)
    else:
        yield _no_journal(paths)
    if (local := journal_on_disk(paths)) is not None:
        yield from journal_verdicts(paths, local)
    yield from table_verdicts(paths)
    yield from kept_verdicts(paths)
    yield from checkpoint_verdicts(paths)
    for found in strange_places(paths):
        yield FileVerdict(found.path.relative_to(paths.root).as_posix(), found.what)


def _no_journal(paths: ResultsPaths) -> FileVerdict:
    name = paths.journal.name
    if (cluster := left_on(paths)) is not None:
        return FileVerdict(name, None, f"on {cluster}, where the sweep ran when this was fetched: here are its tables")
    return FileVerdict(name, "it is gone: what runs or waits is not known any more")


def left_on(paths: ResultsPaths) -> str | None:
    """The cluster on which the journal stayed, as its sweep ran while this copy of its tables was fetched."""
    note = read_fetched(paths)
    return note.cluster if note is not None and note.running and not paths.journal.exists() else None
