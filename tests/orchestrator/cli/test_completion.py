"""What a shell offers after TAB: results directories and trials, quickly, and nothing that could do harm."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from orchestrator.cli.terminal.completion import ResultsPath, TrialId
from orchestrator.cli.terminal.reference import every_command
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.paths import results_in
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.test_architecture import HEAVY

GRID: Final = """\
name: birds
axes: {dataset: {name: digits, per_class: 5}, model: {name: mlp, hidden: 4}, optimizer: {name: sgd, lr: [0.1, 0.2]}}
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
ROOT: Final = Path(__file__).parents[3]
COMPLETE: Final = f"""\
import json, sys
from orchestrator.cli import run
code = run([])
print(json.dumps([code, [name for name in {HEAVY} if name in sys.modules]]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completed")
    (folder / "grid.yaml").write_text(GRID)
    request = SweepRequest(grid=folder / "grid.yaml", results=folder / "results" / "birds", engine="inline")
    assert run_sweep(request, SilentProgress()).ran == 4
    return folder


def offered(folder: Path, *words: str) -> list[str]:
    """What bash is told after `orch WORDS<TAB>`, as its script reads it."""
    variables = {"COMP_WORDS": " ".join(["orch", *words]), "COMP_CWORD": str(len(words)), "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", COMPLETE],
        cwd=folder,
        env=os.environ | variables | {"_ORCH_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stderr) == [0, []], "it ends well, and has imported nothing heavy"
    return told.stdout.split("\n")[:-1] if told.stdout.strip() else []


def trials_of(root: Path) -> list[str]:
    with sqlite3.connect(root / "journal.sqlite") as db:
        return [trial_id for (trial_id,) in db.execute("SELECT trial_id FROM trials ORDER BY trial_id")]


def test_every_command_takes_results_and_trials_so_that_they_complete() -> None:
    taken = [(context, one) for context in every_command() for one in context.command.params]
    results = [(context, one) for context, one in taken if one.name == "results"]
    assert len(results) > 12
    assert [context.command_path for context, one in results if not isinstance(one.type, ResultsPath)] == []
    trials = [(context, one) for context, one in taken if one.name in ("trial", "wrong")]
    assert len(trials) >= 3
    assert [context.command_path for context, one in trials if not isinstance(one.type, TrialId)] == []


def test_results_are_offered_from_here_and_from_the_folder_that_is_typed(swept: Path) -> None:
    shutil.copytree(swept / "results", swept / "elsewhere", dirs_exist_ok=True)
    assert offered(swept, "results", "") == ["plain,results/birds"]
    assert offered(swept, "report", "res") == ["plain,results/birds"]
    assert offered(swept, "report", "results/b") == ["plain,results/birds"]
    assert offered(swept, "claims", "results/birds", "elsewhere/") == ["plain,elsewhere/birds"]
    assert offered(swept, "plan", "grid.yaml", "--results", "") == ["plain,results/birds"]


def test_a_folder_without_results_is_left_to_the_shell(swept: Path) -> None:
    assert offered(swept, "results", "nowhere/") == ["dir,nowhere/"]
    assert offered(swept, "results", "results/x") == ["dir,results/x"]


def test_trials_are_offered_of_the_results_before_them(swept: Path) -> None:
    ids = trials_of(swept / "results" / "birds")
    assert len(ids) == 4
    assert offered(swept, "logs", "results/birds", "") == [f"plain,{one}" for one in ids]
    assert offered(swept, "logs", "results/birds", ids[2][:4]) == [f"plain,{ids[2]}"]
    assert offered(swept, "results", "results/birds", "--wrong", ids[1][:4].upper()) == [f"plain,{ids[1]}"]
    assert offered(swept, "results", "--wrong", "") == []
    assert offered(swept, "logs", "results/nowhere", "") == []


def test_looking_leaves_nothing_behind(swept: Path) -> None:
    before = sorted(path.name for path in (swept / "results" / "birds").iterdir())
    offered(swept, "logs", "results/birds", "")
    assert sorted(path.name for path in (swept / "results" / "birds").iterdir()) == before


@pytest.mark.parametrize(
    "name", ["a;reboot", "$(reboot)", "`reboot`", "two words", "-rf", "a,b", "a=b", "a\nplain,b", "*", "q'", "\x1b[2J"]
)
def test_a_name_that_a_shell_would_not_take_as_it_stands_is_not_offered(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    (root / "journal.sqlite").touch()
    assert results_in(tmp_path) == [root]
    assert offered(tmp_path, "results", "") == ["dir,"]


def test_ids_and_journals_that_are_none_are_not_offered(swept: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(swept / "results", results)
    first, second, *_ = trials_of(results / "birds")
    with sqlite3.connect(results / "birds" / "journal.sqlite") as db:
        db.execute("UPDATE trials SET trial_id = '0;reboot' WHERE trial_id = ?", (first,))
    db.close()
    told = offered(tmp_path, "logs", "results/birds", "")
    assert f"plain,{second}" in told
    assert len(told) == 3
    (results / "birds" / "journal.sqlite").write_bytes(b"no journal at all" * 100)
    assert offered(tmp_path, "logs", "results/birds", "") == []
    (results / "birds" / "journal.sqlite").unlink()
    os.mkfifo(results / "birds" / "journal.sqlite")
    assert offered(tmp_path, "logs", "results/birds", "") == []


def test_a_tab_beside_many_results_and_trials_is_quick(swept: Path, tmp_path: Path) -> None:
    root = tmp_path / "results" / "birds"
    shutil.copytree(swept / "results" / "birds", root)
    with sqlite3.connect(root / "journal.sqlite") as db:
        columns = ", ".join(row[1] for row in db.execute("PRAGMA table_info(trials)") if row[1] != "trial_id")
        numbers = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        one = f"(SELECT {columns} FROM trials LIMIT 1)"
        db.execute(
            f"INSERT INTO trials (trial_id, {columns}) {numbers} SELECT printf('%016x', i), {columns} FROM n, {one}"
        )
    for number in range(1000):
        (tmp_path / "results" / f"other-{number}").mkdir()
    nothing = spent(tmp_path, "list")
    assert spent(tmp_path, "logs", "results/birds", "") < nothing + 0.15
    assert spent(tmp_path, "results", "") < nothing + 0.15


BASH: Final = """\
eval "$(_ORCH_COMPLETE=bash_source orch)"
COMP_WORDS=(orch results "") COMP_CWORD=2
_orch_completion orch
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_takes_it_as_install_md_says(swept: Path) -> None:
    installed = Path(sys.executable).parent
    assert 'eval "$(_ORCH_COMPLETE=bash_source orch)"' in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    path = os.environ | {"PATH": f"{installed}:{os.environ['PATH']}"}
    told = subprocess.run(["bash", "-c", BASH], cwd=swept, env=path, capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("results/birds\n", "")


def spent(folder: Path, *words: str) -> float:
    """Seconds of a processor, the least of three times: others work on this machine."""
    times = []
    for _ in range(3):
        before = os.times()
        offered(folder, *words)
        after = os.times()
        times.append(after.children_user + after.children_system - before.children_user - before.children_system)
    return min(times)
