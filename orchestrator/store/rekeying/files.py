"""In a results directory: the files of trials that were renamed in the journal get their new names.

Killed at any point, what was written stays whole: a file has both names until the checksums know the new one. The next
sweep goes on.
"""

import os
from dataclasses import replace

from orchestrator.store.files import copy_durably, irregularity
from orchestrator.store.journal import Journal
from orchestrator.store.paths import KEPT, ResultsPaths
from orchestrator.store.rekeying.trials import RENAMES_DUE
from orchestrator.store.tables import Checksums, KeptFile


def rename_files(journal: Journal, paths: ResultsPaths) -> None:
    """Weights, images and checkpoints, for the one who holds the results' lock. Raises OSError, DamagedResults."""
    if journal.meta(RENAMES_DUE) is None:
        return
    names = journal.renamed_trials()
    files = {
        f"{folder}/{old}{ending}": f"{folder}/{new}{ending}"
        for folder, endings in KEPT.items()
        for ending in endings
        for old, new in names.items()
    }
    for old, new in files.items():
        _also_named(paths, old, new)
    known = Checksums.read(paths.checksums)
    if any(name in files for name in known.kept):
        kept: dict[str, KeptFile] = {files.get(name, name): file for name, file in known.kept.items()}
        replace(known, kept=kept).write(paths.checksums)
    for old, new in files.items():
        if (paths.root / new).exists():
            (paths.root / old).unlink(missing_ok=True)
    for old, new in names.items():
        folder = paths.checkpoints / old
        if folder.is_dir() and not folder.is_symlink() and not (paths.checkpoints / new).exists():
            folder.rename(paths.checkpoints / new)
    journal.remember(RENAMES_DUE, None)
    journal.commit()


def _also_named(paths: ResultsPaths, old: str, new: str) -> None:
    source, target = paths.root / old, paths.root / new
    if irregularity(source) is not None or not source.exists() or target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # a file system without second names
        copy_durably(source, target)
