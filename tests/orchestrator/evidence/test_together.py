"""The claims of several results are one family; what is none is told."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from orchestrator.cli import run
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import Scores, write
from tests.orchestrator.sample import Cell

CNN, MLP = Cell(model="cnn"), Cell(model="mlp")
WINS = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
SCORES: Scores = {
    MLP: [0.80 + 0.01 * (seed % 5) for seed in range(10)],
    CNN: [0.85 + 0.01 * (seed % 5) + 0.001 * (seed % 3) for seed in range(10)],
}


@pytest.fixture
def one(tmp_path: Path) -> ResultsPaths:
    return write(tmp_path / "one", SCORES, WINS)


def refused(capsys: pytest.CaptureFixture[str], *roots: Path) -> str:
    capsys.readouterr()
    assert run(["claims", *map(str, roots)]) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    return errors


def test_p_is_corrected_over_all_of_them(one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = write(tmp_path / "two", SCORES, WINS, f"{WINS}, margin: 0.05", letter="K", text="another thing")
    capsys.readouterr()
    assert run(["claims", str(one.root), str(two.root), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(claim["id"], claim["results"]) for claim in found["claims"]] == [
        ("H1", str(one.root)),
        ("K1", str(two.root)),
        ("K2", str(two.root)),
    ]
    assert found["sweep"] == "demo, demo"
    first = found["claims"][0]
    assert first["p_corrected"] == pytest.approx(3 * first["p"])
    assert run(["claims", str(one.root), "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)["claims"][0]
    assert alone["p_corrected"] == pytest.approx(first["p"])


def test_the_text_says_whose_each_claim_is(
    one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write(tmp_path / "two", SCORES, WINS, letter="K", text="another thing")
    capsys.readouterr()
    assert run(["claims", str(one.root), str(two.root)]) == 0
    text = capsys.readouterr().out
    assert (
        text.index(f"{one.root}\n") < text.index("H1  supported") < text.index(f"{two.root}\n") < text.index("K1  sup")
    )
    assert "demo, demo, 2 claims: 2 supported" in text


def test_one_id_twice_is_refused(one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = write(tmp_path / "two", SCORES, WINS, text="another thing")
    says = refused(capsys, one.root, two.root)
    assert f"both {one.root} and {two.root} claim H1; give one of them another id" in says


def test_one_claim_on_two_measures_is_refused(
    one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write(tmp_path / "two", SCORES, WINS.replace("test_accuracy", "test_f1_macro"), letter="K")
    says = refused(capsys, one.root, two.root)
    assert "say the same of test_accuracy and of test_f1_macro; one claim is on one measure" in says


def test_tables_of_different_versions_are_refused(
    one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write(tmp_path / "two", SCORES, WINS, letter="K", text="another thing")
    path = two.table("trials")
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, b"results_version": b"5"}), path)
    says = refused(capsys, one.root, two.root)
    assert "these results are of different versions of the tables" in says
    assert f"{two.root} has 5" in says


def test_a_directory_that_is_given_twice_and_a_grid_for_several_are_refused(
    one: ResultsPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is given twice" in refused(capsys, one.root, tmp_path / "." / "one")
    two = write(tmp_path / "two", SCORES, WINS, letter="K", text="another thing")
    assert run(["claims", str(one.root), str(two.root), "--grid", str(tmp_path / "g.yaml")]) == 2
    assert "--grid works with a single RESULTS" in capsys.readouterr().err
