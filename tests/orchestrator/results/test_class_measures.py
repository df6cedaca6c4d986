"""A grid that is selected, tuned, claimed and reported on the recall of one class, and what asks for measures of classes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import precision_recall_fscore_support

import orchestrator
from orchestrator.cli import run
from orchestrator.errors import UserError
from orchestrator.evidence.pictures import KeptPictures
from orchestrator.figures.draw import draw
from orchestrator.grid.measures import measure_named
from orchestrator.report.contents import read_page
from orchestrator.report.latex import latex
from orchestrator.report.markdown import markdown
from orchestrator.store.paths import ResultsPaths
from orchestrator.watch.reading import ResultsReader

GRID = """\
name: cells
axes:
  dataset: [{{name: image_folder, path: pictures{positive}}}]
  model: [{{name: mlp, hidden: 8}}, {{name: mlp, hidden: 32}}]
  optimizer: [{{name: adam}}]
seeds: 2
protocol: {{epochs: 3, batch_size: 32, select: {select}, splits: {{validation: 0.25, test: 0.25, test_seed: 0}}}}
tuning: {{trials: 2, space: {{optimizer.lr: [0.003, 0.03, log]}}}}
claims:
{claims}"""
ARMS = "better: {model: mlp(hidden=32)}, than: {model: mlp(hidden=8)}"
CLAIMS = f"""\
  - {{id: H1, text: finds more defects, on: "test_recall[defect]", {ARMS}}}
  - {{id: H2, text: ranks defects, on: "test_average_precision[defect]", scope: these_pictures, {ARMS}}}
  - {{id: H3, text: gets there, on: {{reach: 0.01, of: "val_recall[defect]", clock: epochs}}, {ARMS}}}
  - {{id: H4, text: learns by heart, on: "recall[defect]_gap", {ARMS}}}
"""


def written(
    folder: Path, positive: str = ", positive: defect", select: str = '"val_recall[defect]"', claims: str = CLAIMS
) -> Path:
    grid = folder / "grid.yaml"
    grid.write_text(GRID.format(positive=positive, select=select, claims=claims))
    return grid


def sweep(grid: Path, root: Path) -> int:
    return run(["sweep", str(grid), "--engine", "inline", "--results", str(root), "--wandb", "disabled", "-q"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of cells: one in eight has a dark column, another a dark spot, and two are alike in mean."""
    folder, random = tmp_path_factory.mktemp("cells"), np.random.default_rng(0)
    for kind, count in (("fine", 150), ("defect", 25), ("dirt", 25)):
        (folder / "pictures" / kind).mkdir(parents=True)
        for number in range(count):
            pixels = random.normal(120, 25, (8, 8))
            if kind == "defect":
                pixels[:, random.integers(0, 8)] -= 60
            elif kind == "dirt":
                pixels[2:5, 2:5] -= 50
            picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            picture.save(folder / "pictures" / kind / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def root(folder: Path) -> Path:
    root = folder / "results"
    assert sweep(written(folder), root) == 0
    return root


def test_figures_are_those_of_the_predictions(root: Path) -> None:
    results = orchestrator.load(root)
    said = results.predictions().merge(results.examples, on=["split_id", "position"])
    classes = results.classes
    cells = results.cells().set_index("cell_id")
    assert set(cells["measure"]) == {"test_recall[defect]"}
    own: dict[str, list[float]] = {}
    for trial, part in said.groupby("trial_id", observed=True):
        found = precision_recall_fscore_support(part["target"], part["predicted"], labels=[0, 1, 2], zero_division=0)
        rows = classes[classes["trial_id"] == trial].sort_values("class_index")
        assert list(rows["class_name"]) == ["defect", "dirt", "fine"]
        for name, values in zip(("precision", "recall", "f1", "support"), found, strict=True):
            assert rows[name].to_numpy() == pytest.approx(values, abs=1e-6)
        row = results.trials.set_index("trial_id").loc[str(trial)]
        assert row["positive_class"] == "defect"
        assert row["test_recall_positive"] == pytest.approx(found[1][0], abs=1e-6)
        own.setdefault(row["cell_id"], []).append(found[1][0])
    for cell, values in own.items():
        assert cells.loc[cell, "mean"] == pytest.approx(np.mean(values), abs=1e-6)
    assert list(cells["validation"]) == sorted(cells["validation"], reverse=True)


def test_epochs_and_tuning_choose_by_it(root: Path) -> None:
    results = orchestrator.load(root)
    best = results.epochs.groupby("trial_id")["val_recall_positive"].max()
    trials = results.trials.set_index("trial_id")
    assert trials["val_recall_positive"].to_dict() == pytest.approx(best[trials.index].to_dict(), abs=1e-9)
    tuning = results.tuning_trials
    for cell, part in tuning.groupby("cell_id"):
        chosen = part.loc[part["val_recall_positive"].idxmax(), "val_recall_positive"]
        own = trials.loc[trials["cell_id"] == cell, "tuned"].iloc[0]
        of_chosen = part.loc[part["tuned"] == own, "val_recall_positive"]
        assert of_chosen.max() == chosen


def test_claims_are_judged_on_it(root: Path) -> None:
    verdicts = orchestrator.load(root).claims().set_index("id")
    assert list(verdicts["on"]) == [
        "test_recall[defect]",
        "test_average_precision[defect]",
        "epochs to val_recall[defect] 0.01",
        "recall[defect]_gap",
    ]
    assert (verdicts["n"] > 0).any()


def test_what_each_picture_brings_is_the_measure(root: Path) -> None:
    results, pictures = orchestrator.load(root), KeptPictures(ResultsPaths(root))
    rows = results.classes[results.classes["class_name"] == "defect"].set_index("trial_id")
    for name in ("recall", "precision", "f1"):
        on = measure_named(f"test_{name}[defect]")
        assert on is not None
        brought = pictures(on, list(results.trials["trial_id"]))
        assert not isinstance(brought, str), brought
        for trial, values in brought:
            assert values.mean() == pytest.approx(rows.loc[trial, name], abs=1e-6)
    on = measure_named("test_average_precision[defect]")
    assert on is not None and "more than two classes" in str(pictures(on, list(results.trials["trial_id"])))


def test_the_command_shows_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = "trial_id,test_recall[defect],test_recall[dirt],val_recall[defect]"
    command = ["results", str(root), "--columns", columns, "--sort", "test_recall[dirt]", "--json"]
    assert run([*command, "--where", "test_recall[defect]>=0"]) == 0
    rows = json.loads(capsys.readouterr().out)
    classes = orchestrator.load(root).classes.set_index(["trial_id", "class_name"])["recall"]
    assert len(rows) == 4
    assert all(row["test_recall[dirt]"] == classes[row["trial_id"], "dirt"] for row in rows)
    assert [row["test_recall[dirt]"] for row in rows] == sorted(
        (row["test_recall[dirt]"] for row in rows), reverse=True
    )

    assert run(["results", str(root), "--cells", "--measure", "f1_macro", "--json"]) == 0
    assert {row["measure"] for row in json.loads(capsys.readouterr().out)} == {"test_f1_macro"}
    assert run(["results", str(root), "--cells", "--measure", "accuracy"]) == 0
    baseline = next(line for line in capsys.readouterr().out.splitlines() if "no trial" in line)
    support = orchestrator.load(root).classes.query("class_name == 'fine'")["support"].iloc[0]
    whole = orchestrator.load(root).trials["test_size"].iloc[0]
    assert "always fine" in baseline and f"{support / whole:.4f}" in baseline


def test_a_page_is_ranked_by_what_is_asked_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for measure, title in (("f1_macro", "test F1 (macro)"), ("average_precision[defect]", None)):
        cells = orchestrator.load(root).cells(measure)
        page = read_page(ResultsPaths(root), measure)
        (board,) = page.boards
        places = {column.title: at for at, column in enumerate(board.grid.columns)}
        at = next(at for at, column in enumerate(board.grid.columns) if column.kind == "interval")
        assert title in (None, board.grid.columns[at].title)
        assert [row[at][0] for row in board.grid.rows] == pytest.approx(list(cells["mean"]), rel=1e-5)
        assert [row[places["model"]] for row in board.grid.rows] == list(cells["model"])
        assert page.asked and "as was asked for" in page.notices[0].what
        assert not [notice for notice in page.winners[0].sure if notice.do], (
            "what is confirmed is the grid's own choice"
        )
        if title:
            dots = draw(ResultsPaths(root), "leaderboard", {"measure": measure})[0].axes[0].lines
            drawn = [line.get_xdata()[0] for line in dots if line.get_marker() == "o"]
            assert drawn == pytest.approx(list(cells["mean"]), rel=1e-5)
    assert run(["report", str(root), "--measure", "recall[defct]"]) == 2
    assert "did you mean defect?" in capsys.readouterr().err


def test_a_page_has_what_no_training_gives(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["results", str(root), "--cells", "--measure", "accuracy", "--json"]) == 0
    (baseline,) = [row for row in json.loads(capsys.readouterr().out) if row["statuses"] == "no trial"]
    page = read_page(ResultsPaths(root), "accuracy")
    (below,) = page.boards[0].grid.below
    assert below[:3] == ("–", (pytest.approx(baseline["mean"], abs=1e-5), None, None), "always fine")
    assert "always fine" in markdown(page) and "always fine" in latex(page)
    (own,) = read_page(ResultsPaths(root)).boards[0].grid.below
    assert own[1] == (0, None, None), "who says fine always finds no defect"


def test_who_watches_sees_it(root: Path) -> None:
    (board,) = ResultsReader(root).look().boards
    assert board.measure.score == "test recall of defect"
    cells = orchestrator.load(root).cells()
    for name, column in (("validation", "validation"), ("test", "mean")):
        assert [getattr(cell, name) for cell in board.cells] == pytest.approx(list(cells[column]), abs=1e-9)


def test_a_table_of_the_classes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["results", str(root), "--classes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    results = orchestrator.load(root)
    of_first = results.trials["cell_id"] == results.cells().iloc[0]["cell_id"]
    own = results.classes[results.classes["trial_id"].isin(results.trials.loc[of_first, "trial_id"])]
    assert [row["class"] for row in rows] == ["defect", "dirt", "fine"]
    for row in rows:
        means = own[own["class_name"] == row["class"]][["precision", "recall", "f1", "support"]].mean()
        assert {name: row[name] for name in means.index} == pytest.approx(means.to_dict(), abs=1e-9)


def test_a_threshold_is_chosen_on_validation(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = orchestrator.load(root)
    found = results.at_threshold("recall[defect]>=0.9").set_index("trial_id")
    assert set(found.index) == set(results.trials["trial_id"])
    for trial, rows in results.thresholds.groupby("trial_id"):
        reaching = rows[rows["val_recall"] >= 0.9]
        row = found.loc[trial]
        assert row["val_recall"] >= 0.9
        assert row["val_precision"] == reaching["val_precision"].max()
        assert row["test_f1"] == pytest.approx(
            2 * row["test_recall"] * row["test_precision"] / (row["test_recall"] + row["test_precision"])
        )
    assert run(["results", str(root), "--threshold", "precision[defect]>=0.3"]) == 0
    assert "chosen on its validation examples" in capsys.readouterr().err


def test_another_positive_class_never_passes_for_this_one(folder: Path, root: Path) -> None:
    """The ids hold, nothing runs again, and what was measured of a class stays of that class."""
    before = orchestrator.load(root).trials
    other = folder / "other"
    claims = '  - {id: H1, text: dirt, on: "test_recall[dirt]", ' + ARMS + "}\n"
    assert sweep(written(folder, select="val_accuracy", claims=claims), other) == 0
    ids = set(orchestrator.load(other).trials["trial_id"])
    assert sweep(written(folder, ", positive: dirt", "val_accuracy", claims), other) == 0
    results = orchestrator.load(other)
    assert set(results.trials["trial_id"]) == ids and ids.isdisjoint(before["trial_id"])
    assert set(results.trials["positive_class"]) == {"defect"}
    assert (results.trials["finished_at"].notna()).all()
    rows = results.classes[results.classes["class_name"] == "dirt"]["recall"]
    assert results.claims()["effect"].notna().all()  # of the test split every class is there
    with pytest.raises(UserError, match=r"`positive` named defect.*sweep with `positive: dirt`"):
        results.cells("recall[dirt]")
    with pytest.raises(UserError, match="`positive` named defect"):
        results.at_threshold("recall[dirt]>=0.5")
    assert not results.cells("recall[defect]").empty
    assert rows.notna().all()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("recall[defct]", "no class 'defct'; did you mean defect"),
        ("recal[defect]", "no measure 'recal' of a class; did you mean recall"),
        ("f1_makro", "did you mean f1_macro"),
    ],
)
def test_what_is_asked_for_and_is_not_there(root: Path, asked: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("[", r"\[")):
        orchestrator.load(root).cells(asked)


@pytest.mark.parametrize("wanted", ["recall[defect]", "recall>=0.9", "f1[defect]>=0.5", "recall[defect]>=1.5"])
def test_a_threshold_that_cannot_be_read(root: Path, wanted: str) -> None:
    with pytest.raises(UserError, match="cannot read the threshold"):
        orchestrator.load(root).at_threshold(wanted)


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        ({"positive": ", positive: defct"}, 3, "no class 'defct'; did you mean defect?"),
        ({"positive": ", positive: 3"}, 3, "no class 3; there are defect, dirt, fine"),
        ({"positive": ", positive: [defect, dirt]"}, 3, "a trial has one class of interest"),
        ({"positive": ""}, 7, "add `positive: defect`"),
        ({"select": '"val_recall[defct]"'}, 7, "no data set has a class 'defct'; did you mean defect?"),
        ({"select": '"val_recall[dirt]"'}, 7, "add `positive: dirt`"),
        ({"select": '"val_recal[defect]"'}, 7, "did you mean val_recall[defect]"),
        ({"select": '"test_recall[defect]"'}, 7, "unknown measure 'test_recall[defect]' to select on"),
        ({"claims": CLAIMS.replace("test_recall[defect]", "test_recall[defct]")}, 10, "did you mean defect?"),
        (
            {"claims": CLAIMS.replace("test_recall[defect]", "test_recal[defect]")},
            10,
            "did you mean test_recall[defect]",
        ),
        ({"claims": CLAIMS.replace("val_recall[defect]", "val_recall[dirt]")}, 12, "add `positive: dirt`"),
    ],
)
def test_mistakes_have_their_line(
    folder: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str], line: int, said: str
) -> None:
    assert run(["plan", str(written(folder, **changes))]) == 2
    told = capsys.readouterr().err
    assert said in told and f"grid.yaml:{line}:" in told


def test_positive_needs_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = sorted(path.relative_to(folder / "pictures") for path in (folder / "pictures").glob("*/*.png"))
    pd.DataFrame({"file": names, "size": np.linspace(0, 1, len(names))}).to_csv(folder / "sizes.csv", index=False)
    grid = written(folder, select="val_loss", claims="")
    data = "{name: image_csv, path: sizes.csv, images: pictures, image: file, target: size, positive: defect}"
    text = (
        grid.read_text()
        .replace("claims:\n", "")
        .replace("{name: image_folder, path: pictures, positive: defect}", data)
    )
    grid.write_text(text)
    assert run(["plan", str(grid)]) == 2
    assert "positive names a class" in capsys.readouterr().err
