"""The path of the results leads to another directory while the sweep runs: it ends, says where what is finished lies, and
there it is gone on with.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.errors import ResultsGone, ResultsRemoved
from orchestrator.plan.progress import SilentProgress
from orchestrator.store.integrity.verify import verify
from orchestrator.store.local_disk import JOURNAL_DIR, NETWORK_FOLDERS
from orchestrator.store.paths import ResultsPaths
from orchestrator.sweep.run import SweepRequest, run_sweep
from tests.orchestrator import processes, sample
from tests.orchestrator.sweeper import misbehave
from trainables.context import Context
from trainables.records import TrialResult
from trainables.spec import TrialTask

SEEDS = range(50, 70)
CHANGES = 55
"""The seed whose trial changes the path; those after it take longer."""


def renamed(results: Path) -> None:
    results.rename("elsewhere")


def its_parent_renamed(results: Path) -> None:
    results.parent.rename("parent")
    Path("elsewhere").symlink_to(f"parent/{results.name}")


def replaced_by_an_empty_one(results: Path) -> None:
    renamed(results)
    results.mkdir()


def replaced_by_other_results(results: Path) -> None:
    renamed(results)
    sample.write_sample(results)


def replaced_by_its_copy(results: Path) -> None:
    shutil.copytree(results, "copy")
    renamed(results)
    Path("copy").rename(results)


def link_re_pointed(results: Path) -> None:
    renamed(results)
    Path("another").mkdir()
    results.symlink_to(Path("another").absolute())


def link_to_itself(results: Path) -> None:
    renamed(results)
    results.symlink_to(results.name)


def its_files_moved(results: Path) -> None:
    Path("elsewhere").mkdir()
    for path in results.iterdir():
        path.rename(Path("elsewhere") / path.name)


def removed(results: Path) -> None:
    shutil.rmtree(results)


def removed_and_made_anew(results: Path) -> None:
    removed(results)
    results.mkdir()


def its_journal_replaced(results: Path) -> None:
    shutil.copyfile(results / "journal.sqlite", "copy")
    Path("copy").rename(results / "journal.sqlite")


MOVED = (
    renamed,
    its_parent_renamed,
    replaced_by_an_empty_one,
    replaced_by_other_results,
    replaced_by_its_copy,
    link_re_pointed,
    link_to_itself,
    its_files_moved,
)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a sweep of the folder that we are in has them."""
    monkeypatch.chdir(tmp_path)
    processes.write_grid(tmp_path, SEEDS)
    return tmp_path / "results" / "sweep"


def sweep(changes: Callable[[Path], None], results: Path) -> ResultsGone:
    """A sweep whose results are changed under it."""

    def run_trial(trial_task: TrialTask, context: Context) -> TrialResult:
        if trial_task.spec.seed == CHANGES and not Path("changed").exists():
            Path("changed").touch()
            changes(results)
        elif Path("changed").exists():
            time.sleep(0.1)
        return misbehave(trial_task, context)

    with pytest.raises(ResultsGone) as ended:
        run_sweep(SweepRequest(grid=Path("grid.yaml"), engine="inline", run_trial=run_trial), SilentProgress())
    return ended.value


def assert_kept_and_gone_on_with(root: Path) -> None:
    before = processes.counts(root)
    assert before["completed"] >= CHANGES - SEEDS[0], before
    assert before["completed"] < len(SEEDS), "it did not notice"
    assert [verdict for verdict in verify(ResultsPaths(root)) if not verdict.intact] == []
    assert run(["repair", str(root)]) == 0
    assert processes.counts(root) == before
    request = SweepRequest(grid=Path("grid.yaml"), engine="inline", results=root, run_trial=misbehave)
    summary = run_sweep(request, SilentProgress())
    assert (summary.ran, summary.counts) == (len(SEEDS) - before["completed"], {"completed": len(SEEDS)})


@pytest.mark.parametrize("changes", MOVED)
def test_results_that_are_elsewhere_now_end_the_sweep_and_are_whole_there(
    results: Path, changes: Callable[[Path], None]
) -> None:
    gone = sweep(changes, results)
    now = Path("elsewhere").resolve()
    assert (gone.exit_code, gone.now) == (3, now)
    assert f"Everything finished is in {now}" in str(gone)
    if changes is not its_files_moved:
        assert not (now / ".lock.json").exists(), "it has let go of what it held"
    assert_kept_and_gone_on_with(now)


@pytest.mark.parametrize("changes", [replaced_by_an_empty_one, replaced_by_other_results, link_re_pointed])
def test_what_lies_at_the_path_instead_is_left_alone(results: Path, changes: Callable[[Path], None]) -> None:
    before: dict[str, bytes] = {}

    def changed(results: Path) -> None:
        changes(results)
        before.update(content(results))

    sweep(changed, results)
    assert content(results) == before


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("changes", [removed, removed_and_made_anew, its_journal_replaced])
def test_results_that_are_removed_or_replaced_are_said_to_be(results: Path, changes: Callable[[Path], None]) -> None:
    gone = sweep(changes, results)
    assert isinstance(gone, ResultsRemoved)
    assert "was removed while the sweep wrote it" in str(gone)
    assert "Everything finished" not in str(gone), "nothing of it is left"


def test_results_of_a_network_are_copied_to_where_they_are_now(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NETWORK_FOLDERS, str(results.parents[1]))
    monkeypatch.setenv(JOURNAL_DIR, str(results.parents[2] / "disk"))
    gone = sweep(renamed, results)
    assert gone.now == Path("elsewhere").resolve()
    assert_kept_and_gone_on_with(gone.now)


MOUNTING = """
import subprocess, sys
from pathlib import Path
from tests.orchestrator import test_results_elsewhere as elsewhere
from orchestrator.errors import ResultsGone
def mounted_over(results):
    subprocess.run(["mount", "-t", "tmpfs", "none", results], check=True)
results = Path("results/sweep").absolute()
gone = elsewhere.sweep(mounted_over, results)
print(list(results.iterdir()), gone.exit_code, gone.now, gone)
"""


@pytest.mark.slow
def test_results_that_are_mounted_over(results: Path) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount")
    command = ["unshare", "-m", sys.executable, "-c", MOUNTING]
    environment = processes.environment()
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("[] 3 None "), ended.stdout
    assert "leads to another directory now" in ended.stdout
    assert_kept_and_gone_on_with(results)
