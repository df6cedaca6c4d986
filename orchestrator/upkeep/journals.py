"""A journal against its seal, its mark, and its own rows."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import DamagedResults, UserError
from orchestrator.store.connection import checked
from orchestrator.store.inspection import JournalFiles, inspect, state
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import SESSION
from orchestrator.upkeep.contradictions import contradictions
from orchestrator.upkeep.files import has_checksums
from orchestrator.upkeep.image import opened
from orchestrator.upkeep.verdict import FileVerdict
from results_schema import TABLES

_LOOKS = 10


def journal_verdicts(paths: ResultsPaths, journal: Path) -> list[FileVerdict]:
    """Of the journal in the results, or of the one on this machine's disk of which that is a copy (ADR 9).

    Raises UserError where it cannot be read.
    """
    files = JournalFiles(journal)
    for _ in range(_LOOKS):
        before = state(files)
        try:
            found = list(_verdicts(paths, files))
        except OSError as error:
            raise UserError(f"cannot read {journal}: {error}") from error
        if all(verdict.whole for verdict in found) or state(files) == before:
            return found  # else a sweep writes here, and we have seen two moments
    return found


def _verdicts(paths: ResultsPaths, files: JournalFiles) -> Iterator[FileVerdict]:
    found = inspect(files)
    troubled = {trouble.path: trouble.what for trouble in found.troubles}
    if _is_unused(paths, files):
        yield FileVerdict(
            _name(paths, files.main), None, "empty: the sweep that made it ended before its first statement"
        )
    elif files.main not in troubled:
        rows = _rows(paths, files.main, sealed=found.seal is not None)
        yield rows.verdict
        if not rows.copied and has_checksums(paths):
            troubled |= {path: "it is gone" for path in (files.seal, files.mark) if not path.exists()}
    for path in files.every:
        if path in troubled:
            yield FileVerdict(_name(paths, path), troubled[path])
        elif path.exists() and path in (files.log, files.seal, files.mark):
            yield FileVerdict(_name(paths, path), None)


def _name(paths: ResultsPaths, path: Path) -> str:
    return path.name if path.parent == paths.root else str(path)


def _is_unused(paths: ResultsPaths, files: JournalFiles) -> bool:
    """Empty, and nothing beside it tells that it ever was otherwise."""
    others = (files.seal, paths.checksums, *(paths.table(table.name) for table in TABLES))
    empty = all(not path.exists() or not path.stat().st_size for path in (files.main, files.log))
    return empty and not any(path.exists() for path in others)


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the rows say."""

    verdict: FileVerdict
    copied: bool = True
    """Whether it is, or was, a copy of a journal elsewhere, which has no mark, and no seal for a moment. Also where that
    cannot be told."""


def _rows(paths: ResultsPaths, journal: Path, *, sealed: bool) -> _Rows:
    name = _name(paths, journal)
    try:
        with closing(opened(paths, journal)) as db, checked(journal):
            found = contradictions(db, deep=not sealed)
            copied = bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()) and bool(
                db.execute("SELECT 1 FROM meta WHERE key = ?", (SESSION,)).fetchone()
            )
    except DamagedResults as error:
        return _Rows(FileVerdict(name, str(error)))
    if found.problems:
        return _Rows(FileVerdict(name, "; ".join(found.problems)), copied)
    seal = "" if sealed else ", not sealed yet: a sweep or `orch repair` does that"
    return _Rows(FileVerdict(name, None, f"{found.trials} trials{seal}"), copied)
