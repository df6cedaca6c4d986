"""`orch audit`: what the measurement `groups` has found out, in words and as JSON."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.cli import run
from orchestrator.results.audit import in_words, kind

GRID = """\
name: audited
axes:
  dataset: [digits, {name: digits, spurious: 0.95}]
  model: {name: mlp, hidden: 32}
  optimizer: {name: adam, lr: 0.01}
seeds: 2
protocol: {epochs: 4, keep_weights: best}
%s
wandb: {mode: disabled}
"""


def swept(folder: Path, measure: str) -> Path:
    (folder / "grid.yaml").write_text(GRID % measure)
    assert (
        run(["sweep", str(folder / "grid.yaml"), "--engine", "inline", "-q", "--results", str(folder / "results")]) == 0
    )
    return folder / "results"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    measure = "measure: [groups, {name: groups, by: [cue, confidence]}]"
    return swept(tmp_path_factory.mktemp("audited"), measure)


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = run(["audit", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def frames(results: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials, those with the cue first, and the rows of `groups`, each part once."""
    trials = pd.read_parquet(results / "trials.parquet").sort_values("dataset", ascending=False)
    rows = pd.read_parquet(results / "groups.parquet")
    return trials, rows.drop_duplicates(["trial_id", "by", "part"], keep="last")


def test_a_trial_is_told_its_worst_parts_with_what_stands_beside_them(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials, rows = frames(results)
    for trial_id in trials["trial_id"]:
        code, out, _ = told(capsys, results, trial_id, "--json")
        found, own = json.loads(out), rows[rows["trial_id"] == trial_id]
        assert code == 0 and found["trial_id"] == trial_id
        slices = own[(own["p"] < 0.05)].sort_values("accuracy", kind="stable")
        assert [(each["by"], each["part"]) for each in found["slices"]] == [
            *slices[["by", "part"]].itertuples(index=False, name=None)
        ]
        for each in found["slices"] + found["groups"]:
            kin = own[own["by"] == each["by"]]
            others = kin[kin["part"] != each["part"]]
            beside = (others["accuracy"] * others["n"]).sum() / others["n"].sum()
            assert each["rest_accuracy"] == pytest.approx(beside, abs=1e-12)
        left_out = own[own["left_out"].notna()]
        named = {(each["by"], each["part"], each["why"]) for each in found["left_out"]}
        expected = set(left_out[["by", "part", "left_out"]].itertuples(index=False, name=None))
        assert expected <= named
        by_class = own[(own["by"] == "class") & own["left_out"].isna()]
        of_class = next(each for each in found["groups"] if each["by"] == "class")
        assert of_class["accuracy"] == by_class["accuracy"].min()


def test_it_is_said_in_words_of_one_line_each(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trials, rows = frames(results)
    cued = trials.iloc[0]
    code, out, _ = told(capsys, results, cued["trial_id"][:6])
    assert code == 0 and f"accuracy {cued['test_accuracy']:.3f}" in out
    conflicts = rows[(rows["trial_id"] == cued["trial_id"]) & (rows["part"] == "conflicts")].iloc[0]
    share = f"{conflicts['accuracy']:.2f} [{conflicts['accuracy_low']:.2f}, {conflicts['accuracy_high']:.2f}]"
    assert f"cue conflicts: {share} beside 1.00 of the rest, {conflicts['n']} pictures" in out
    plain = trials.iloc[-1]["trial_id"]
    _, out, _ = told(capsys, results, plain)
    assert "as with any net: confidence 1 of 5" in out and "the least confident" in out
    assert "cue, confidence: not made: groups by cue: digits has none" in out


def test_every_cell_is_told_what_is_the_worst_in_how_many_seeds(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, results, "--json")
    found = json.loads(out)
    assert code == 0 and len(found["trials"]) == 4
    for cell_id in {each["cell_id"] for each in found["cells"]}:
        for named in (True, False):
            of_kind = [each for each in found["cells"] if each["cell_id"] == cell_id and each["named"] is named]
            assert sum(each["worst_in"] for each in of_kind) <= 2 == of_kind[0]["seeds"]
            assert [each["worst_in"] for each in of_kind] == sorted((e["worst_in"] for e in of_kind), reverse=True)
    groups = [each for each in found["cells"] if each["named"]]
    for each in groups:
        worst = [
            trial["groups"][0]["accuracy"]
            for trial in found["trials"]
            if trial["cell_id"] == each["cell_id"]
            and (trial["groups"][0]["by"], trial["groups"][0]["part"]) == (each["by"], each["part"])
        ]
        assert each["worst_in"] == len(worst) and each["accuracy"]["mean"] == pytest.approx(
            math.fsum(worst) / len(worst)
        )
    _, words, _ = told(capsys, results)
    assert "worst group in" in words and "worst slice in" in words and "left out of comparisons" in words


def test_by_chooses_and_what_was_not_measured_is_said_to_be_measurable(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials, _ = frames(results)
    _, out, _ = told(capsys, results, trials.iloc[0]["trial_id"], "--by", "cue", "--json")
    found = json.loads(out)
    assert [each["by"] for each in found["groups"]] == ["cue"] and found["slices"] == []
    code, _, err = told(capsys, results, "--by", "brightnes")
    assert code == 2 and "nothing was measured by 'brightnes'; did you mean brightness?" in err
    code, _, err = told(capsys, results, "--by", "person")
    assert code == 2 and "orch measure" in err and "{name: groups, by: person}" in err


def test_without_groups_it_says_how_to_get_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = swept(tmp_path, "measure: [{name: groups, by: group}]")
    code, out, err = told(capsys, results)
    assert (code, out) == (2, "")
    assert "no groups were measured of" in err and "groups by group: digits has none" in err
    assert f"`orch measure {results} groups` does" in err
    code, _, err = told(capsys, results, "ffffffffffffffff")
    assert code == 2 and "no trial's id begins with 'ffffffffffffffff'" in err
    code, _, err = told(capsys, tmp_path)
    assert code == 2 and "is not a results directory" in err


def test_tables_alone_are_enough(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = told(capsys, results)
    shutil.copytree(results, tmp_path / "copy", ignore=shutil.ignore_patterns("journal*", "weights", "*.html"))
    assert told(capsys, tmp_path / "copy")[:2] == whole[:2]


@pytest.mark.parametrize(
    ("by", "part", "words", "alike"),
    [
        ("brightness", "1 of 5: 0.1 to 0.2", "brightness 1 of 5 (0.1 to 0.2: the darkest)", "1 of 5"),
        (
            "distance",
            "5 of 5: 0.1 to 0.2",
            "distance 5 of 5 (0.1 to 0.2: the farthest from the training split)",
            "5 of 5",
        ),
        ("contrast", "2 of 5: 0.1 to 0.2", "contrast 2 of 5 (0.1 to 0.2)", "2 of 5"),
        ("brightness", "1 of 1: 0.1 to 0.1", "brightness 1 of 1 (0.1 to 0.1)", "1 of 1"),
        ("age", "1 of 5: 20 to 31", "age 1 of 5 (20 to 31)", "1 of 5"),
        ("contrast", "1 of 5", "contrast 1 of 5 (the least contrast)", "1 of 5"),
        ("clusters", "answered 8, cluster 3 of 8", "cluster 3 of 8 of what is answered 8", "answered 8"),
        ("clusters", "answered 8", "what is answered 8", "answered 8"),
        ("light", "night", "light night", "night"),
    ],
)
def test_parts_are_called_as_people_say_it(by: str, part: str, words: str, alike: str) -> None:
    assert (in_words(by, part), kind(part)) == (words, alike)
