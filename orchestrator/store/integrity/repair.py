"""`orch repair`: what can be rebuilt is rebuilt, the rest is named. For the one who holds the results' lock."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

from orchestrator.errors import DamagedResults
from orchestrator.store.connection import checked
from orchestrator.store.files import copy_durably, strange
from orchestrator.store.inspection import Inspected, JournalFiles, inspect
from orchestrator.store.integrity.rebuild import NONE, Rebuilding, Rebuilt, Salvaged, salvage
from orchestrator.store.integrity.scratch import KEYS, Scratch, find_exported
from orchestrator.store.integrity.verify import FileVerdict, journal_verdicts, verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.place import JournalPlace, place_of
from orchestrator.store.tables import Checksums, export
from trainables.data.files import durable, unfinished

_NAMED = 20
"""Trials that are named one by one."""


def repair(paths: ResultsPaths, check: Callable[[], None]) -> Iterator[str]:
    """What was done, line by line, and what could not be. check: as `place_of` has it.

    Raises UserError, OSError, DamagedResults, InfrastructureLost, LockedResults.
    """
    damaged = [verdict for verdict in verify(paths) if not verdict.whole]
    if not damaged:
        if not JournalFiles(paths.journal).seal.exists() or not paths.checksums.exists():
            _write(paths, place_of(paths, check))  # what an older orch left has no seal and no checksums
        return
    aside = paths.damaged / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
    moved = _keep_copies(paths, damaged, aside)
    yield f"copies of the damaged files are in {aside}"
    names = {verdict.file for verdict in damaged}
    place = place_of(paths, check, mending=True)
    if _is_damaged(paths, place.journal):
        yield from _journal(paths, JournalFiles(place.journal))
    elif names & {path.name for path in JournalFiles(paths.journal).all}:
        yield "journal: nothing of it is lost; what lay beside it is made anew"
    if paths.checksums.name in names:
        paths.checksums.unlink(missing_ok=True)
        yield f"{paths.checksums.name}: made anew; kept weights and images are taken as they are, nothing vouches for them"
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
    """Whether it has to be rebuilt: a seal and a mark that are only gone are made at the next opening."""
    if not journal.exists() or inspect(JournalFiles(journal)).troubles:
        return True
    return not journal_verdicts(paths, journal)[0].whole


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
            if strange(path) is not None:
                shutil.move(path, target.with_name(path.name))
                moved.add(name)
            else:
                with suppress(FileNotFoundError):
                    copy_durably(path, target.with_name(path.name))
    return moved


def _journal(paths: ResultsPaths, files: JournalFiles) -> Iterator[str]:
    found = inspect(files) if files.main.exists() else Inspected()
    with unfinished(files.main) as new:
        read, made = _rebuilt(paths, files, found, Path(new.name))
        # a log that was left, where all else goes together, has nothing that the journal lacks
        nothing_lost = found.log_is_left and len(found.troubles) == 1
        if not nothing_lost and files.log in {trouble.path for trouble in found.troubles}:
            made.lost.append("what was committed last, after the first damage in journal.sqlite-wal: it runs again")
        yield from _told(read, made)
        _replace(files, Path(new.name))


def _rebuilt(
    paths: ResultsPaths, files: JournalFiles, found: Inspected, new: Path
) -> tuple[dict[str, Salvaged], Rebuilt]:
    """Into the new journal: what could be read, and what was made of it."""
    with unfinished(files.main) as kept, Scratch(Path(kept.name)) as scratch:
        try:
            with checked(files.main):
                read = salvage(files, found, scratch)
        except (OSError, DamagedResults):  # what cannot be read may be in the tables; a disk that is full loses nothing
            read = {}
            scratch.forget_journal()
        whole = find_exported(paths, scratch)
        scratch.begin(new)
        made = Rebuilding(scratch, read, whole).run(_directory_id(paths) or token_hex(4))
        scratch.finish()
    return read, made


def _directory_id(paths: ResultsPaths) -> str:
    try:
        return Checksums.read(paths.checksums).directory_id
    except DamagedResults:
        return ""


def _told(read: dict[str, Salvaged], made: Rebuilt) -> Iterator[str]:
    whole = all(read.get(name, NONE).complete for name in KEYS)
    how = "every row could be read" if whole else "from the rows that could be read, and the tables"
    yield f"journal.sqlite: rebuilt with {made.trials} trials, {how}"
    if made.runs_again:
        shown = ", ".join(made.runs_again[:_NAMED])
        more = f" and {len(made.runs_again) - _NAMED} more" if len(made.runs_again) > _NAMED else ""
        yield f"LOST {len(made.runs_again)} trials could not be rebuilt whole and wait again: {shown}{more}"
    for what in made.lost:
        yield f"LOST {what}"


def _replace(files: JournalFiles, new: Path) -> None:
    """The new journal in the place of the old one. Until it is there, the old seal says that this one is damaged."""
    durable(new)
    for path in (files.log, files.shared):
        path.unlink(missing_ok=True)
    new.replace(files.main)
    for path in (files.seal, files.mark):
        path.unlink(missing_ok=True)
    durable(files.main.parent)


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
