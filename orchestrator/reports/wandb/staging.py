"""Where the SDK keeps files on their way: a folder of the results, where what a killed writer leaves is found and goes."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ARTIFACTS: Final = "WANDB_DATA_DIR"
"""Below it the SDK copies what artifacts hold, and leaves it there when it is killed."""


@contextmanager
def staging(folder: Path) -> Iterator[None]:
    """For the one who holds the writer's lock: whatever is in the folder is of writers that are gone.

    Also the SDK's temporary files, which it makes while it is imported, and folders that its `Api` makes for each run.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    before, temporary = os.environ.get(_ARTIFACTS), tempfile.tempdir
    os.environ[_ARTIFACTS], tempfile.tempdir = str(folder), str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = temporary
        os.environ.pop(_ARTIFACTS)
        if before is not None:
            os.environ[_ARTIFACTS] = before
        shutil.rmtree(folder, ignore_errors=True)
