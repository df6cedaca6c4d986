"""A journal whose writer dies before it has sealed it for the first time."""

import subprocess
import sys
from pathlib import Path

from orchestrator.store.journal import Journal
from orchestrator.store.sealing.inspection import JournalFiles, inspect

DIES = """
import os, sys
from pathlib import Path
from orchestrator.store.sealing import page_checksums
from orchestrator.store.journal import Journal
page_checksums.PageChecksums.write = lambda *_: os._exit(7)
Journal.create_or_open(Path(sys.argv[1]))
"""


def test_who_is_killed_before_the_first_page_checksums_leaves_nothing_that_looks_damaged(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    assert subprocess.run([sys.executable, "-c", DIES, str(path)], check=False).returncode == 7
    assert not JournalFiles(path).page_checksums.exists()
    assert inspect(JournalFiles(path)).faults == ()
    Journal.create_or_open(path).close()
    assert inspect(JournalFiles(path)).faults == ()
