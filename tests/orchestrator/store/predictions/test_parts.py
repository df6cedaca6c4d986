"""Parts are written once: nothing is lost and nothing doubled, whoever is killed when; what is damaged is named."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.errors import DamagedResults
from orchestrator.store import tables
from orchestrator.store.integrity.repair import repair
from orchestrator.store.integrity.verify import verify
from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions import writing
from orchestrator.store.predictions.parts import parts_in
from orchestrator.store.predictions.reading import predicted_trials, predictions_of, split_predictions
from orchestrator.store.tables import Checksums, export
from tests.orchestrator import sample
from tests.orchestrator.sample import CNN_SGD, MLP_SGD
from tests.orchestrator.store.predictions import made


@pytest.fixture
def paths(tmp_path: Path) -> ResultsPaths:
    return ResultsPaths(tmp_path / "results")


@pytest.fixture
def journal(paths: ResultsPaths) -> Iterator[Journal]:
    """Two cells of two trials, one of each completed."""
    opened = Journal.create_or_open(paths.journal)
    sample.plan(opened, (MLP_SGD, CNN_SGD), seeds=(0, 1))
    made.complete(opened, MLP_SGD, 0)
    made.complete(opened, CNN_SGD, 0)
    opened.commit()
    yield opened
    with suppress(sqlite3.ProgrammingError):  # closed by the test
        opened.close()


def exported(journal: Journal, paths: ResultsPaths, *, everything: bool = True) -> None:
    """As a sweep does it."""
    journal.commit()
    journal.predictions_written(export(journal, paths, everything=everything))
    journal.commit()


def rows(paths: ResultsPaths) -> dict[str, list[float]]:
    """What a reader of Parquet that knows nothing of parts finds: by trial, what was predicted."""
    frame = pd.read_parquet(paths.predictions)
    return {trial_id: group["predicted"].tolist() for trial_id, group in frame.groupby("trial_id")}


def waiting(journal: Journal) -> int:
    return int(next(journal.query("SELECT count(*) FROM waiting_predictions"))[0])


def damages(paths: ResultsPaths) -> dict[str, str]:
    return {verdict.file: verdict.damage for verdict in verify(paths) if verdict.damage is not None}


def test_what_waits_becomes_a_part_once(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    before = {path: path.read_bytes() for path in paths.predictions.iterdir()}
    assert waiting(journal) == 0
    assert rows(paths) == {cell.trial_id(0): made.answers(0).predicted.tolist() for cell in (MLP_SGD, CNN_SGD)}
    made.complete(journal, MLP_SGD, 1)
    exported(journal, paths)
    assert len(rows(paths)) == 3
    assert {path: path.read_bytes() for path in before} == before
    assert len(parts_in(paths.predictions)) == 2
    assert damages(paths) == {}


def test_a_sweep_that_runs_waits_until_there_is_enough(
    journal: Journal, paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(journal, paths, everything=False)
    assert (parts_in(paths.predictions), waiting(journal)) == ([], 2)
    monkeypatch.setattr(writing, "WORTH_A_PART", 2 * made.EXAMPLES)
    exported(journal, paths, everything=False)
    assert (len(parts_in(paths.predictions)), waiting(journal)) == (1, 0)


def test_a_trial_that_ran_again_stands_once_as_it_ran_last(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    made.complete(journal, MLP_SGD, 0, attempt=2, said=made.predictions(7, split=False))
    exported(journal, paths)
    assert rows(paths)[MLP_SGD.trial_id(0)] == made.answers(7).predicted.tolist()
    assert rows(paths)[CNN_SGD.trial_id(0)] == made.answers(0).predicted.tolist()
    assert damages(paths) == {}
    made.complete(journal, MLP_SGD, 0, attempt=3, kept=False)  # under `keep_predictions: false`
    exported(journal, paths)
    assert rows(paths).keys() == {CNN_SGD.trial_id(0)}
    assert damages(paths) == {}


class KilledError(Exception):
    """In place of a signal."""


def killed(*_: object) -> None:
    raise KilledError


def test_whoever_is_killed_before_a_part_is_listed_doubles_nothing(
    journal: Journal, paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Checksums, "write", killed)
        with pytest.raises(KilledError):
            export(journal, paths)
    assert len(parts_in(paths.predictions)) == 1
    made.complete(journal, MLP_SGD, 1)
    exported(journal, paths)
    assert sorted(rows(paths)) == sorted([MLP_SGD.trial_id(0), MLP_SGD.trial_id(1), CNN_SGD.trial_id(0)])
    assert len(pd.read_parquet(paths.predictions)) == 3 * made.EXAMPLES
    assert waiting(journal) == 0
    assert damages(paths) == {}


def test_whoever_is_killed_before_the_examples_are_in_place_leaves_no_damage(
    journal: Journal, paths: ResultsPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Path.replace

    def until_the_examples(file: Path, target: Path) -> Path:
        if target == paths.table("examples"):
            raise KilledError
        return put(file, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", until_the_examples)
        with pytest.raises(KilledError):
            export(journal, paths)
    assert not paths.table("examples").exists()
    assert damages(paths) == {}
    exported(journal, paths)
    assert len(pd.read_parquet(paths.predictions)) == 2 * made.EXAMPLES
    assert damages(paths) == {}


def test_whoever_is_killed_before_the_journal_forgets_doubles_nothing(journal: Journal, paths: ResultsPaths) -> None:
    export(journal, paths)
    assert waiting(journal) == 2
    made.complete(journal, MLP_SGD, 1)
    exported(journal, paths)
    assert len(pd.read_parquet(paths.predictions)) == 3 * made.EXAMPLES
    assert waiting(journal) == 0


def test_whoever_is_killed_before_the_old_part_is_gone_doubles_nothing(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    old = paths.predictions / parts_in(paths.predictions)[0]
    content = old.read_bytes()
    made.complete(journal, MLP_SGD, 0, attempt=2, said=made.predictions(7))
    exported(journal, paths)
    old.write_bytes(content)
    made.complete(journal, MLP_SGD, 1)
    exported(journal, paths)
    assert len(pd.read_parquet(paths.predictions)) == 3 * made.EXAMPLES
    assert rows(paths)[MLP_SGD.trial_id(0)] == made.answers(7).predicted.tolist()
    assert damages(paths) == {}


def test_lost_checksums_lose_no_predictions(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    journal.close()
    paths.checksums.unlink()
    assert "checksums.json" in damages(paths)
    messages = list(repair(paths, lambda: None))
    assert not [message for message in messages if "predictions" in message]
    assert len(rows(paths)) == 2
    assert damages(paths) == {}


@pytest.mark.parametrize("gone", [False, True])
def test_a_damaged_part_is_named_and_its_trials_have_none_any_more(
    journal: Journal, paths: ResultsPaths, gone: bool
) -> None:
    exported(journal, paths)
    made.complete(journal, MLP_SGD, 1)
    exported(journal, paths)
    journal.close()
    (name,) = [
        name for name in parts_in(paths.predictions) if len(pd.read_parquet(paths.predictions / name)) > made.EXAMPLES
    ]
    part = paths.predictions / name
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.unlink() if gone else part.write_bytes(content)
    what = "it is gone" if gone else "it is not as it was written"
    assert damages(paths) == {f"predictions.parquet/{name}": f"{what}: its trials no longer have predictions"}
    with pytest.raises(DamagedResults, match=what):
        list(predictions_of(paths, [MLP_SGD.trial_id(0)]))
    messages = list(repair(paths, lambda: None))
    lost = "LOST the predictions of 2 trials"
    assert any(message.startswith(lost) for message in messages)
    assert rows(paths).keys() == {MLP_SGD.trial_id(1)}
    assert predicted_trials(paths).keys() == {MLP_SGD.trial_id(1)}
    assert damages(paths) == {}
    trials = pd.read_parquet(paths.table("trials")).set_index("trial_id")["split_id"]
    assert trials.isna().to_dict() == {
        MLP_SGD.trial_id(0): True,
        MLP_SGD.trial_id(1): False,
        CNN_SGD.trial_id(0): True,
        CNN_SGD.trial_id(1): True,
    }


def test_a_journal_is_rebuilt_and_the_predictions_stay(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    journal.close()
    before = rows(paths)
    paths.journal.write_bytes(b"\0" * 5000)
    list(repair(paths, lambda: None))
    assert rows(paths) == before
    assert damages(paths) == {}
    matrix = split_predictions(paths, "5" * 16, [CNN_SGD.trial_id(0)])
    assert np.array_equal(matrix.targets, made.TARGETS)


def test_damaged_examples_are_written_again(journal: Journal, paths: ResultsPaths) -> None:
    exported(journal, paths)
    journal.close()
    whole = paths.table("examples").read_bytes()
    paths.table("examples").write_bytes(whole[:-20] + bytes(20))
    assert damages(paths) == {"examples.parquet": "it is not as it was written; the journal has its rows"}
    list(repair(paths, lambda: None))
    assert pd.read_parquet(paths.table("examples"))["source"].tolist() == [f"{n}.png" for n in range(made.EXAMPLES)]
    assert damages(paths) == {}


def test_predictions_of_other_results_are_named(journal: Journal, paths: ResultsPaths, tmp_path: Path) -> None:
    exported(journal, paths)
    other = ResultsPaths(tmp_path / "other")
    opened = Journal.create_or_open(other.journal)
    sample.plan(opened, (MLP_SGD,), seeds=(0,))
    made.complete(opened, MLP_SGD, 0, said=made.predictions(3))
    exported(opened, other)
    opened.close()
    (name,) = parts_in(other.predictions)
    shutil.copy(other.predictions / name, paths.predictions)
    (damage,) = damages(paths).values()
    assert damage == "it has predictions of other results, which readers of the folder would take for these"
    journal.close()
    list(repair(paths, lambda: None))
    assert len(rows(paths)) == 2
    assert damages(paths) == {}


def test_predictions_of_another_split_are_named(journal: Journal, paths: ResultsPaths) -> None:
    short = made.predictions(1, split_id="6" * 16)
    made.complete(journal, MLP_SGD, 1, said=short)
    exported(journal, paths)
    with journal._checked():  # as a hand may have changed it
        journal._db.execute("DELETE FROM test_splits WHERE split_id = ?", ("6" * 16,))
    journal.commit()
    tables.export(journal, paths)
    (damage,) = damages(paths).values()
    assert damage == f"the test split {'6' * 16} of its trial {MLP_SGD.trial_id(1)} is none of examples.parquet"
    with pytest.raises(DamagedResults, match="no examples are kept of the test split 6666"):
        split_predictions(paths, "6" * 16, [MLP_SGD.trial_id(1)])


def test_results_without_predictions_are_whole(paths: ResultsPaths) -> None:
    sample.write_sample(paths.root)
    assert damages(paths) == {}
    assert predicted_trials(paths) == {}
    assert not paths.predictions.exists()
    assert not paths.table("examples").exists()
