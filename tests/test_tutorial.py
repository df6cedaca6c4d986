"""The tutorial, block after block, in an empty folder: what it says works, and what it shows is what comes out."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from tests.test_documents import FENCED, ROOT, commands_in, shown_by, text_of

PAGE: Final = "docs/tutorial.md"
BLOCK: Final = re.compile(rf"{FENCED.pattern}|((?:^    \S[^\n]*\n)+)", re.S | re.M)
WORD: Final = re.compile(r"[a-z_]{2,}", re.I)


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {}
        self.ran: list[str] = []
        self.output = ""
        self.compared = 0

    def follow(self, language: str, code: str) -> None:
        match language:
            case "python":
                shown_by(code, self.names, PAGE)
            case "yaml":
                (self.folder / "grid.yaml").write_text(code)
            case "text" if self.output:
                assert set(WORD.findall(code)) <= set(WORD.findall(self.output)), "the page shows what is printed"
                self.compared += 1
            case "":
                for line in code.splitlines():
                    self.run(line.strip())

    def run(self, line: str) -> None:
        assert commands_in([line]) == [line]
        words = [self.trial() if word == "TRIAL" else word for word in line.split()[1:]]
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"
        assert "(warning)" not in ended.stderr
        self.ran.append(line)
        self.output = ended.stdout

    def trial(self) -> str:
        """One that got something wrong."""
        trials = pd.read_parquet(self.folder / "results" / "fabrics" / "trials.parquet")
        return str(trials.sort_values("test_accuracy")["trial_id"].iloc[0])[:8]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(900)  # fifteen commands, each a process, beside whatever else this machine does
def test_every_block_of_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    blocks = BLOCK.findall(text_of(PAGE))
    for language, fenced, indented in blocks:
        reader.follow(language, fenced or indented)
    assert len(reader.ran) == 14
    assert reader.compared == 1
    assert reader.names["verdict"].outcome == "supported"
    assert list(reader.names["cells"]["n"]) == [6, 6]
    assert len(reader.names["wrong"]) > 0
    assert (tmp_path / "results" / "fabrics" / "report.html").stat().st_size > 100_000
    assert (tmp_path / "fabrics.html").exists()
    for figure in ("leaderboard.pdf", "confusion.pdf"):
        assert (tmp_path / figure).read_bytes().startswith(b"%PDF")
