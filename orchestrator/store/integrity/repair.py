"""`orch repair`: what can be made anew is made anew, the rest is named. For the one who holds the results' lock."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.errors import DamagedResults
from orchestrator.store.connection import checked
from orchestrator.store.files import copy_durably, irregularity
from orchestrator.store.integrity.predictions import set_damaged_aside
from orchestrator.store.integrity.rebuild import rebuild
from orchestrator.store.integrity.verdict import FileVerdict
from orchestrator.store.integrity.verify import journal_verdicts, only_tables, verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import LIVES_AT, JournalPlace, place_of
from orchestrator.store.sealing.inspection import JournalFiles, inspect
from orchestrator.store.tables import Checksums, export
from trainables.data.files import durable, unfinished


def repair(paths: ResultsPaths, check: Callable[[], None]) -> Iterator[str]:
    """What was done, line by line, and what could not be. check: as `place_of` has it.

    Raises UserError, OSError, DamagedResults, InfrastructureLost, LockedResults.
    """
    found = [verdict for verdict in verify(paths) if not verdict.intact]
    if only_tables(paths):  # to go on from them takes a journal
        found.append(FileVerdict(paths.journal.name, "none was kept beside the tables"))
    if not found:
        if not JournalFiles(paths.journal).page_checksums.exists() or not paths.checksums.exists():
            _write(paths, place_of(paths, check))  # what an older orch left has no checksums
        return
    damaged = [verdict for verdict in found if not verdict.file.startswith(paths.predictions.name)]
    aside = paths.damaged / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    moved = _keep_copies(paths, damaged, aside)
    yield f"copies of the damaged files are in {aside}"
    names = {verdict.file for verdict in damaged}
    place = place_of(paths, check, repairing=True)
    if on_copy := _is_damaged(paths, place.journal) and not _is_damaged(paths, paths.journal):
        for path in JournalFiles(place.journal).every:
            path.unlink(missing_ok=True)
        place = place_of(paths, check, repairing=True)
        yield "LOST what ended after the journal was last copied into the results, if anything did: it runs again"
    if paths.checksums.name in names:
        paths.checksums.unlink(missing_ok=True)
        yield f"{paths.checksums.name}: made anew; kept weights and images are taken as they are, nothing vouches for them"
    files = JournalFiles(place.journal)
    if _is_damaged(paths, place.journal):
        yield from _rebuilt(paths, files)
    elif {Path(name).name for name in names} & {path.name for path in files.all}:
        yield from _cleared(files)
    if on_copy:
        with closing(Journal.create_or_open(place.journal)) as journal:
            journal.remember(LIVES_AT, None)  # what is there no more
    with closing(Journal.create_or_open(place.journal)) as journal:
        yield from set_damaged_aside(paths, journal, aside)
    for verdict in damaged:
        kept = "/" in verdict.file and not Path(verdict.file).is_absolute()  # a journal on local disk is
        if kept or verdict.file.startswith("journal-version-"):
            yield from _set_aside(paths, verdict)
        elif verdict.file in moved:
            yield f"{verdict.file}: set aside; {verdict.damage}"
    _write(paths, place)
    for name in sorted(name for name in names if name.endswith(".parquet")):
        yield f"{name}: written again from the journal"


def _is_damaged(paths: ResultsPaths, journal: Path) -> bool:
    """Whether it has to be made anew. What only lies beside it may be older, or gone: SQLite's checks and its rows count."""
    files = JournalFiles(journal)
    if not journal.exists() or inspect(files).damages(files):
        return True
    return not journal_verdicts(paths, journal)[0].intact


def _keep_copies(paths: ResultsPaths, damaged: list[FileVerdict], aside: Path) -> set[str]:
    """What is no file is moved there, and is out of the way of what is made anew. The names of all that was moved."""
    moved = set[str]()
    names = {verdict.file for verdict in damaged}
    for name in tuple(names):
        if Path(name).name.startswith("journal."):  # all that make one journal, here or on local disk
            names |= {str(Path(name).with_name(path.name)) for path in JournalFiles(paths.journal).every}
    for name in sorted(names):
        local = Path(name).is_absolute()
        source, target = paths.root / name, aside / (Path("local", Path(name).name) if local else name)
        target.parent.mkdir(parents=True, exist_ok=True)
        for path in {source, source.with_suffix(".safetensors")} if name.startswith("checkpoints/") else {source}:
            if irregularity(path) is not None:
                shutil.move(path, target.with_name(path.name))
                moved.add(name)
            else:
                with suppress(FileNotFoundError):
                    copy_durably(path, target.with_name(path.name))
    return moved


def _rebuilt(paths: ResultsPaths, files: JournalFiles) -> Iterator[str]:
    """A new journal in the place of the old one. Until it is there, the old page checksums say that this one is damaged."""
    with unfinished(files.main) as file:
        new = Path(file.name)
        with checked(files.main):
            messages = rebuild(paths, new)
        durable(new)
        for path in (files.log, files.shared):
            path.unlink(missing_ok=True)
        new.replace(files.main)
        for path in (files.page_checksums, files.wal_watermark):
            path.unlink(missing_ok=True)
        durable(files.main.parent)
    yield from messages


def _cleared(files: JournalFiles) -> Iterator[str]:
    """Without what lies beside a journal and is none of it: its next opening makes that anew."""
    faulty = [fault.path for fault in inspect(files).faults]
    for path in (files.shared, files.wal_watermark, *faulty):
        path.unlink(missing_ok=True)
    if faulty.count(files.log) > 1:
        yield "LOST what was committed last, if the tables do not have it: the log beside the journal is of another moment"
    else:
        yield "journal: nothing of it is lost; what lay beside it is made anew"


def _set_aside(paths: ResultsPaths, verdict: FileVerdict) -> Iterator[str]:
    path = paths.root / verdict.file
    for damaged in {path, path.with_suffix(".safetensors")} if verdict.file.startswith("checkpoints/") else {path}:
        damaged.unlink(missing_ok=True)
    if verdict.file.startswith("checkpoints/"):
        yield f"{verdict.file}: set aside; {verdict.damage}"
        return
    with suppress(DamagedResults):
        known = Checksums.read(paths.checksums)
        if verdict.file in known.kept:
            kept = {name: file for name, file in known.kept.items() if name != verdict.file}
            replace(known, kept=kept).write(paths.checksums)
    yield f"LOST {verdict.file}: {verdict.damage}"


def _write(paths: ResultsPaths, place: JournalPlace) -> None:
    """The journal as a sweep leaves it that has ended, and the tables. It keeps its session: another machine's is as old."""
    Journal.create_or_open(place.journal).close()
    place.publish()
    with closing(Journal.read(place.published)) as published:
        export(published, paths)
    place.finish()
