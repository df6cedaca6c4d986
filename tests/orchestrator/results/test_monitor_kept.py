"""The windows of `orch monitor` in their file: whole at every moment, and every run's there."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import DamagedResults, UserError
from orchestrator.results.monitor import kept
from orchestrator.results.monitor.kept import KeptWindows
from orchestrator.store.paths import ResultsPaths
from results_schema import MONITOR
from trainables.monitoring.row import MonitorRow

TRIAL = "0123456789abcdef"
START = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)


def row(window: int, **changes: Any) -> MonitorRow:
    plain = MonitorRow(
        started_at=START,
        window=window,
        detector="bbsd",
        images="camera",
        judged_at=START + timedelta(seconds=window),
        first=window * 10,
        last=window * 10 + 9,
        first_image="a.png",
        last_image="b.png",
        n=10,
        unreadable=0,
        distinct=10,
        statistic=0.1,
        threshold=0.2,
        p=0.5,
        alpha=0.05,
        alarm=False,
        harmless=None,
        estimated_accuracy=0.9,
        labelled=0,
        accuracy=None,
        reference_n=1000,
        reference_accuracy=0.95,
        autocorrelation=0.0,
        changed_class="cat",
        changed_share=0.6,
        reference_share=0.5,
        other_aspect=0,
        other_channels=0,
    )
    return replace(plain, **changes)


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    return ResultsPaths(tmp_path)


def file_of(paths: ResultsPaths) -> Path:
    return paths.root / "monitor" / f"{TRIAL}.parquet"


def test_rows_come_back_with_their_types_and_what_each_column_means(paths: ResultsPaths) -> None:
    windows = KeptWindows.of(paths, TRIAL)
    windows.add([row(1), row(1, detector="mmd", statistic=None, p=None, alarm=True, harmless=False, reason="no")])
    windows.write()
    table = pq.read_table(file_of(paths))
    assert table.schema.equals(MONITOR.schema, check_metadata=False)
    assert table.schema.field("p").metadata == MONITOR.schema.field("p").metadata
    assert table.column("trial_id").to_pylist() == [TRIAL] * 2
    assert table.column("started_at").to_pylist() == [START] * 2
    assert table.column("alarm").to_pylist() == [False, True]


def test_a_later_run_adds_to_an_earlier_one_and_readers_take_the_folder_for_one_table(paths: ResultsPaths) -> None:
    for start in (START, START + timedelta(days=1)):
        windows = KeptWindows.of(paths, TRIAL)
        windows.add([row(1, started_at=start), row(2, started_at=start)])
        windows.write()
    other = KeptWindows.of(paths, "fedcba9876543210")
    other.add([row(1)])
    other.write()
    whole = pd.read_parquet(paths.monitor)
    assert len(whole) == 5 and not whole.duplicated(list(MONITOR.key)).any()


def test_two_runs_at_once_keep_the_rows_of_both(paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_APART", 0.0)
    monkeypatch.setattr(kept, "_SHARE", 0)

    def watch(detector: str) -> None:
        windows = KeptWindows.of(paths, TRIAL)
        for number in range(1, 21):
            windows.add([row(number, detector=detector)])
        windows.write()

    runs = [threading.Thread(target=watch, args=(name,)) for name in ("bbsd", "mmd", "confidence")]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    whole = pd.read_parquet(file_of(paths))
    assert len(whole) == 60 and (whole.groupby("detector")["window"].nunique() == 20).all()
    assert list(paths.monitor.glob("*.tmp")) == []


def test_columns_of_an_older_orch_that_may_be_null_are_filled(paths: ResultsPaths) -> None:
    windows = KeptWindows.of(paths, TRIAL)
    windows.add([row(1)])
    windows.write()
    pq.write_table(pq.read_table(file_of(paths)).drop_columns(["reason", "autocorrelation"]), file_of(paths))
    again = KeptWindows.of(paths, TRIAL)
    again.add([row(2)])
    again.write()
    assert pd.read_parquet(file_of(paths))["autocorrelation"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no table", "Parquet"),
        (b"", "Parquet"),
        (pa.table({"image": ["x"]}), "its column trial_id is missing or of another type"),
    ],
)
def test_what_is_no_table_of_windows_is_never_written_over(
    paths: ResultsPaths, content: bytes | pa.Table, said: str
) -> None:
    paths.monitor.mkdir()
    if isinstance(content, bytes):
        file_of(paths).write_bytes(content)
    else:
        pq.write_table(content, file_of(paths))
    before = file_of(paths).read_bytes()
    with pytest.raises(DamagedResults, match=said) as refused:
        KeptWindows.of(paths, TRIAL)
    assert "move it away" in str(refused.value) and "\n" not in str(refused.value)
    assert file_of(paths).read_bytes() == before


def test_nothing_is_written_through_a_link(paths: ResultsPaths, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    paths.monitor.symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        KeptWindows.of(paths, TRIAL)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("trial_id", ["../escape", ".hidden", "a/b"])
def test_an_id_out_of_a_journal_leads_nowhere_else(paths: ResultsPaths, trial_id: str) -> None:
    with pytest.raises(DamagedResults, match="no trial's id"):
        KeptWindows.of(paths, trial_id)


def test_a_full_disk_is_told_in_a_line(paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = KeptWindows.of(paths, TRIAL)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(UserError, match=f"cannot be kept in .*{TRIAL}.parquet: No space left on device"):
        windows.add([row(1)])
    assert not file_of(paths).exists()
