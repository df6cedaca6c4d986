"""The grids of `make paper`: claims on enough seeds, of arms that are alike, from whose kept tables a sweep goes on."""

import gzip
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.paper.document import Grid, document
from benchmarks.paper.kept import bring_to_now, is_finished, is_of_now, keep, restore
from benchmarks.paper.pictures import SIDE, made, write
from benchmarks.paper.sentences import FILE, Sentence, read_sentences
from orchestrator.cli import run
from orchestrator.evidence.judge import judge, judge_together
from orchestrator.evidence.text import as_json
from orchestrator.grid import read_grid
from orchestrator.grid.claims import Claim, min_seeds
from orchestrator.store.integrity.verify import verify
from orchestrator.store.paths import ResultsPaths

FOLDER = Path(__file__).parents[3] / "examples" / "paper"
GRIDS = sorted(path for path in FOLDER.glob("*.yaml") if path != FILE)
CLAIMS = [claim for path in GRIDS for claim in read_grid(path).claims]


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_grid_has_claims_and_seeds_that_can_decide_them_among_all(path: Path) -> None:
    grid = read_grid(path)
    assert grid.claims
    assert not grid.warnings
    assert (grid.most or len(grid.seeds)) * len(grid.axes.dataset) >= min_seeds(len(CLAIMS))


def test_no_id_stands_in_two_grids() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(ids) == len(set(ids)) >= 50


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_each_claim_says_what_its_arms_have_in_common(claim: Claim) -> None:
    assert claim.fair is not None
    assert len(claim.fair.asked) >= 3


def test_each_claim_is_about_a_sentence_and_each_sentence_has_claims_or_a_reason() -> None:
    sentences = [sentence for chapter in read_sentences().values() for sentence in chapter]
    claimed = [claim for sentence in sentences for claim in sentence.claims]
    assert sorted(claimed) == sorted(claim.id for claim in CLAIMS)
    assert len({sentence.says for sentence in sentences}) == len(sentences) >= 40


@pytest.mark.parametrize("wrong", [{}, {"claims": ["depth"], "none": "no time"}, {"claims": []}])
def test_a_sentence_without_claims_needs_a_reason(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs claims, or the reason"):
        Sentence.model_validate({"says": "deeper is better", **wrong})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Black pictures in the forms of the published data sets, as many of each class as the grids ask for."""
    folder = tmp_path_factory.mktemp("data")
    labels = np.tile(np.arange(10, dtype=np.uint8), 300)
    for name in ("mnist", "fashion-mnist"):
        for part in ("train", "t10k"):
            _write_idx(folder / name / f"{part}-images-idx3-ubyte.gz", np.zeros((len(labels), 28, 28), np.uint8))
            _write_idx(folder / name / f"{part}-labels-idx1-ubyte.gz", labels)
    picture = io.BytesIO()
    Image.new("RGB", (32, 32)).save(picture, format="png")
    (folder / "cifar10_jpeg").mkdir()
    for split in ("train", "test"):
        table = pa.table({"image": [picture.getvalue()] * len(labels), "label": labels})
        pq.write_table(table, folder / "cifar10_jpeg" / f"{split}.parquet")
    return folder


def _write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    path.parent.mkdir(exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=1))


def test_each_grid_says_how_many_claims_all_of_them_make() -> None:
    grids = [read_grid(path) for path in GRIDS]
    assert {grid.family for grid in grids} == {sum(len(grid.claims) for grid in grids)}


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_grid_plans_whole_and_nothing_of_it_is_confounded_before_it_runs(
    path: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "pictures")
    grid = Path(shutil.copy(path, tmp_path))
    assert run(["plan", str(grid), "--data", str(data), "--results", str(tmp_path / "none"), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["skipped"] == 0
    assert planned["trials"] == planned["to_run"] > 0
    assert {claim["id"]: claim["confounded_by"] for claim in planned["claims"]} == {
        claim.id: [] for claim in read_grid(path).claims
    }


def test_pictures_are_made_alike_and_only_as_they_say() -> None:
    first, again = made(), made()
    for name, splits in first.items():
        for (images, labels), (others, same) in zip(splits, again[name], strict=True):
            assert images.shape == (len(labels), SIDE, SIDE)
            assert np.array_equal(images, others)
            assert np.array_equal(labels, same)
    (centred, _), (tested, _) = first["centred"]
    assert np.array_equal(centred, first["shifted"][0][0])
    assert not tested[:, :4].any() and not tested[:, 12:].any()
    assert (
        first["shifted"][1][0].sum(axis=(1, 2)).tolist() == tested.sum(axis=(1, 2)).tolist()
    )  # the same digits, all of each
    sizes = {name: len(splits[0][0]) for name, splits in first.items()}
    assert sizes["diverse"] == sizes["narrow"] == 600
    different = {name: len({_digit(image) for image in first[name][0][0]}) for name in ("diverse", "narrow")}
    assert different["narrow"] == 60
    assert different["diverse"] >= 595  # a digit or two of the 600 were drawn alike
    trained, said = (
        {_digit(image) for image in first["narrow"][0][0]},
        {_digit(image) for image in first["diverse"][0][0]},
    )
    assert trained <= said


def _digit(image: NDArray[np.uint8]) -> bytes:
    """Wherever it stands."""
    rows, columns = image.any(axis=1).nonzero()[0], image.any(axis=0).nonzero()[0]
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return bytes(cut.shape) + cut.tobytes()


_SMALL = """\
name: small
axes:
  dataset: {name: digits, per_class: 5}
  model: [{name: mlp, hidden: 4}, {name: mlp, hidden: 16}]
  optimizer: {name: adam, lr: 0.01}
seeds: 3
protocol: {epochs: 2, splits: {test_seed: 0}}
tuning: {trials: 2, space: {optimizer.weight_decay: [0.0, 0.1]}}
claims:
  - {id: width, text: wider, better: {model: {name: mlp, hidden: [[16]]}}, than: {model: {name: mlp, hidden: [[4]]}},
     on: test_accuracy, fair: {parameters: 9}}
wandb: {mode: disabled}
"""


def test_from_kept_tables_nothing_runs_again_and_verdicts_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = tmp_path / "small.yaml"
    grid.write_text(_SMALL)
    ran, kept, again = (ResultsPaths(tmp_path / name) for name in ("ran", "kept", "again"))
    assert not is_finished(ran)
    assert run(["sweep", str(grid), "--results", str(ran.root), "--engine", "inline", "-q"]) == 0
    assert is_finished(ran)
    keep(ran, kept)
    assert not kept.journal.exists()
    bring_to_now(kept)  # as tables of an earlier orch are: written anew from a journal that was made of them
    assert is_of_now(kept)
    assert is_finished(kept)
    restore(kept, again)
    assert all(verdict.intact for verdict in verify(again))
    verdicts = [as_json(judge(paths).verdicts[0]) for paths in (ran, kept, again)]
    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert verdicts[0]["effect"] is not None
    capsys.readouterr()
    assert run(["sweep", str(grid), "--results", str(again.root), "--engine", "inline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ran"] == 0


def test_claims_that_have_not_run_count_in_the_family(tmp_path: Path) -> None:
    grid = tmp_path / "small.yaml"
    grid.write_text(_SMALL)
    ran = ResultsPaths(tmp_path / "ran")
    assert run(["sweep", str(grid), "--results", str(ran.root), "--engine", "inline", "-q"]) == 0
    (alone,) = judge_together([ran]).verdicts
    grid.write_text(f"{_SMALL}family: 4\n")
    assert run(["sweep", str(grid), "--results", str(ran.root), "--engine", "inline", "-q"]) == 0
    (among,), (together,) = judge(ran).verdicts, judge_together([ran]).verdicts
    assert alone.p is not None and alone.corrected is not None
    assert among.corrected == together.corrected == pytest.approx(min(1.0, 4 * alone.corrected))
    page = document([Grid(grid, ran), Grid(GRIDS[0], None)])
    assert "## small" in page
    assert f"- [{GRIDS[0].stem}](../examples/paper/{GRIDS[0].name})" in page
