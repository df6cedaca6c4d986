"""Which files the trials of a results directory have left, and their digests."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.store.checksums import KeptFile
from orchestrator.store.files import digest_of, strange
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, OLDER_JOURNALS, ResultsPaths, may_be_kept
from results_schema import ENDED


def kept_files(journal: Journal, paths: ResultsPaths, known: Mapping[str, KeptFile]) -> dict[str, KeptFile]:
    """Of all trials that have ended. A file is read once: what befalls it later must not become its checksum."""
    attempts = {
        trial_id: int(attempt)
        for trial_id, status, attempt in journal.query("SELECT trial_id, status, attempts FROM trials")
        if status in ENDED
    }
    found = {}
    for trial_id, path in _files(paths):
        name = path.relative_to(paths.root).as_posix()
        before = known.get(name)
        if before is not None and before.attempt == attempts.get(trial_id):
            found[name] = before
        elif trial_id in attempts:
            found[name] = KeptFile(digest_of(path), attempts[trial_id])
    gone = {name: kept for name, kept in known.items() if attempts.get(Path(name).stem) == kept.attempt}
    return {**gone, **found}


def older_journals(paths: ResultsPaths, known: Mapping[str, KeptFile]) -> dict[str, KeptFile]:
    """The copies of journals that were carried over from older versions (ADR 6)."""
    copies = sorted(path for path in paths.root.glob(OLDER_JOURNALS) if strange(path) is None)
    gone = {name: kept for name, kept in known.items() if "/" not in name}
    return {**{copy.name: KeptFile(digest_of(copy), 0) for copy in copies if copy.name not in gone}, **gone}


def _files(paths: ResultsPaths) -> Iterator[tuple[str, Path]]:
    for name in KEPT:
        folder = paths.root / name
        if folder.is_dir() and not folder.is_symlink():
            for path in folder.iterdir():
                if may_be_kept(f"{name}/{path.name}") and strange(path) is None:
                    yield path.stem, path
