"""Checkpoints of trials that have not ended, against the checksums inside them."""

import json
from collections.abc import Iterator
from pathlib import Path

from orchestrator.store.paths import ResultsPaths
from orchestrator.upkeep.verdict import FileVerdict

_LOST = "its trial goes on from an earlier one, or from its beginning"


def checkpoint_verdicts(paths: ResultsPaths) -> Iterator[FileVerdict]:
    root = paths.checkpoints
    if not root.is_dir():
        return
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        yield from _of_trial(folder, paths.root)


def _of_trial(folder: Path, root: Path) -> Iterator[FileVerdict]:
    from trainables.checkpoints import files  # torch, which only who has checkpoints has to wait for
    from trainables.errors import CheckpointError

    for epoch in files.epochs(folder):
        path = folder / f"epoch-{epoch}.json"
        name = path.relative_to(root).as_posix()
        try:
            text, tensors = files.raw(folder, epoch)
            files.parsed(text, tensors)
            plain = json.dumps(json.loads(text)).encode() == text  # 1e-05 and 1E-05 are the same number
            yield FileVerdict(name, None if plain else f"it is not as it was written: {_LOST}")
        except FileNotFoundError:
            if path.exists():
                yield FileVerdict(name, f"its tensors are gone: {_LOST}")
        except (CheckpointError, OSError) as error:
            if path.exists():  # else its trial has gone on meanwhile
                yield FileVerdict(name, f"it {error}: {_LOST}")
