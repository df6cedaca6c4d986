"""Verdicts where seeds are added until claims are decided: by hand from the looks, and the seeds that come next."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orchestrator.cli import run
from orchestrator.evidence.judge import judge
from orchestrator.evidence.next_seeds import next_seeds, wanted
from orchestrator.evidence.post_hoc import ClaimHistory
from orchestrator.evidence.stats.sequential import bounds, sequential_p
from orchestrator.evidence.text import as_json
from orchestrator.evidence.verdict import Verdict
from orchestrator.grid.looks import LookPlan
from orchestrator.grid.reader import read_text
from tests.orchestrator.evidence.stated import Scores, stated, write
from tests.orchestrator.sample import Cell

MLP, CNN, RESNET, LSTM = (Cell(model=model) for model in ("mlp", "cnn", "resnet", "lstm"))
NARROW = "on: test_accuracy, scope: these_pictures"
CNN_WINS = f"better: {{model: cnn}}, than: {{model: mlp}}, {NARROW}"
RESNET_WINS = f"better: {{model: resnet}}, than: {{model: mlp}}, {NARROW}"
PLAN = LookPlan.until(20, 2)
"""At 8, 11, 15 and 20 seeds."""


def wave(seeds: int, height: float = 0.01) -> np.ndarray:
    """Seeds that differ, with a mean near zero."""
    return height * np.cos(np.arange(seeds) * 2.1)


def verdicts(tmp_path: Path, scores: Scores, *claims: str, looks: LookPlan = PLAN) -> tuple[Verdict, ...]:
    return judge(write(tmp_path / "demo", scores, *claims, looks=str(looks))).verdicts


def base(seeds: int) -> list[float]:
    return [0.8] * seeds


def above(seeds: int, by: float, height: float = 0.01) -> list[float]:
    return [0.8 + by + step for step in wave(seeds, height)]


def test_the_plan_of_these_tests() -> None:
    assert PLAN.sizes == (8, 11, 15, 20)


def test_a_claim_ends_at_the_look_that_decides_it(tmp_path: Path) -> None:
    """Of two claims, one is plain and one is not there: both have fifteen seeds, and the first has ended at eight."""
    scores = {MLP: base(15), CNN: above(15, 0.05), RESNET: above(15, 0.0)}
    plain, nothing = verdicts(tmp_path, scores, CNN_WINS, RESNET_WINS)
    assert (plain.outcome, plain.units.pairs, as_json(plain)["looks"]["taken"]) == ("supported", 8, [8])
    assert (nothing.outcome, nothing.units.pairs) == ("inconclusive", 15)
    assert as_json(nothing)["looks"] == {"taken": [8, 11, 15], "planned": [8, 11, 15, 20], "most": 20}
    # p of 8 equal signs is 2 / 2^8; 8 of 20 seeds have spent 8/20 of the error; two claims
    assert plain.corrected == pytest.approx(2 * 20 / 8 * 2 / 2**8, rel=1e-5)
    assert "look 1 of at most 4, at 8 of at most 20 seeds: p and interval hold over all looks together" in plain.notes
    assert wanted([plain, nothing]) == dict.fromkeys((MLP.cell_id, RESNET.cell_id), 20)
    assert nothing.decide == "look 4 of at most 4, at 20 of at most 20 seeds: `orch sweep GRID` goes on"


def test_a_look_may_decide_a_claim_when_another_has_come(tmp_path: Path) -> None:
    """What the first showed at eight seeds stands once the second is decided, at eleven, whatever it shows by then."""
    first = above(8, 0.0125)
    scores = {MLP: base(11), CNN: [*first, 0.7, 0.72, 0.71], RESNET: [*first, 0.814, 0.815, 0.813]}
    early, late = verdicts(tmp_path / "eight", {cell: of[:8] for cell, of in scores.items()}, CNN_WINS, RESNET_WINS)
    assert [early.outcome, late.outcome] == ["inconclusive", "inconclusive"]
    then, second = verdicts(tmp_path / "eleven", scores, CNN_WINS, RESNET_WINS)
    assert (second.outcome, second.units.pairs) == ("supported", 11)
    assert (then.outcome, then.units.pairs) == ("supported", 8)
    assert then.effect > 0 > sum(scores[CNN]) / 11 - 0.8


def test_p_is_over_all_looks_and_the_interval_holds_at_all_of_them(tmp_path: Path) -> None:
    scores = {MLP: base(15), CNN: above(15, 0.004)}
    (claim,) = verdicts(tmp_path, scores, CNN_WINS)
    ps = [
        verdicts(tmp_path / f"{n}", {cell: of[:n] for cell, of in scores.items()}, CNN_WINS)[0].p for n in (8, 11, 15)
    ]
    assert claim.p == ps[-1]
    assert claim.corrected == pytest.approx(sequential_p([p or 0 for p in ps], PLAN.sizes, 20))
    fixed = judge(write(tmp_path / "fixed", scores, CNN_WINS)).verdicts[0]
    assert claim.corrected is not None and fixed.corrected is not None
    assert claim.corrected > fixed.corrected
    t = stats.t.ppf(1 - np.array([0.05, bounds(PLAN.sizes, 20, 0.05)[2]]) / 2, 14)
    wider = (claim.high - claim.low) / (fixed.high - fixed.low)
    assert wider == pytest.approx(t[1] / t[0], rel=0.05), "skewness bends both ends a little"


def test_a_look_counts_once_all_of_its_trials_have_ended(tmp_path: Path) -> None:
    early, late = above(11, 0.05), [*base(10), None]
    (open_, ended) = verdicts(
        tmp_path, {MLP: late, CNN: early, RESNET: above(11, 0.001), LSTM: [None] * 11}, RESNET_WINS, CNN_WINS
    )
    assert (open_.outcome, open_.units.pairs) == ("inconclusive", 8)
    assert (ended.outcome, ended.units.pairs) == ("supported", 8), "what is decided does not wait for others"
    (waiting,) = verdicts(tmp_path / "none", {MLP: [*base(7), None], CNN: early[:8]}, CNN_WINS)
    assert (waiting.outcome, waiting.evidence.looks) == ("inconclusive", ())
    assert "1 trial of it has still to run" in str(waiting.decide)


def test_after_the_last_look_nothing_more_comes(tmp_path: Path) -> None:
    paths = write(
        tmp_path / "demo",
        {MLP: base(20), CNN: above(20, 0.001), RESNET: base(20)},
        CNN_WINS,
        RESNET_WINS,
        looks=str(PLAN),
    )
    grid = read_text(stated(CNN_WINS, RESNET_WINS), Path("grid"))
    following = next_seeds(paths, grid)
    assert following.cells == {}
    assert list(following.left_open) == ["H1", "H2"]
    assert "20 seeds, the most that were planned, have not decided it" in following.left_open["H1"]
    assert str(following.look) == "look 4 of at most 4, at 20 of at most 20 seeds; left open: H1, H2"


def test_what_broke_on_the_side_that_is_ahead_is_not_decided_by_more_seeds(tmp_path: Path) -> None:
    scores: Scores = {MLP: base(11), CNN: ["diverged", *above(10, 0.05)]}
    (claim,) = verdicts(tmp_path, scores, CNN_WINS)
    assert claim.outcome == "inconclusive"
    assert "no seeds" in str(claim.decide)
    assert wanted([claim]) == {}
    after = verdicts(tmp_path / "after", {MLP: base(11), CNN: [*above(10, 0.05), "diverged"]}, CNN_WINS)[0]
    assert (after.outcome, after.units.pairs) == ("supported", 8), "what comes after the decision does not undo it"


def test_seeds_that_are_added_to_a_fixed_number_have_half_of_its_error(tmp_path: Path) -> None:
    plan = LookPlan((13, 17, 40), before=10)
    scores = {MLP: base(10), CNN: above(10, 0.05), RESNET: above(10, 0.005)}
    fixed = judge(write(tmp_path / "fixed", scores, CNN_WINS, RESNET_WINS)).verdicts
    then = verdicts(tmp_path, scores, CNN_WINS, RESNET_WINS, looks=plan)
    assert [one.corrected for one in then] == [one.corrected for one in fixed], (
        "of the fixed number nothing is taken back"
    )
    assert then[1].decide == "look 2 of at most 4, at 13 of at most 40 seeds: `orch sweep GRID --add-seeds` goes on"


def history(*sweeps: tuple[str, str | None]) -> ClaimHistory:
    """sweeps: each with its seeds and its looks."""
    rows = [
        {
            "environment_id": str(number),
            "started_at": number,
            "grid": f"seeds: {seeds}",
            "command": "orch",
            "looks": looks,
        }
        for number, (seeds, looks) in enumerate(sweeps)
    ]
    return ClaimHistory(pd.DataFrame(rows))


UNTIL, LONGER = ("{until: decided, most: 20}", "8,11,20"), ("{until: decided, most: 40}", "8,11,40")


@pytest.mark.parametrize(
    ("sweeps", "under", "additions"),
    [
        pytest.param([UNTIL, UNTIL, UNTIL], [8, 11, 20], 0, id="one plan, goes on"),
        pytest.param([UNTIL, LONGER], [20, 40], 1, id="a greater most"),
        pytest.param([LONGER, UNTIL], [11, 11], 1, id="a smaller most, where that seems enough"),
        pytest.param([UNTIL, LONGER, UNTIL], [8, 20, 20], 1, id="there and back"),
        pytest.param([("10", None), UNTIL], [10, 20], 1, id="a fixed number first"),
        pytest.param([("10", None), UNTIL], [0, 20], 0, id="of which nothing had come"),
        pytest.param([UNTIL, ("30", None)], [8, 30], 1, id="a fixed number in its place"),
        pytest.param([("10", None), ("10", "10+13,40"), ("10", "10+13,40")], [10, 13, 40], 1, id="added to it"),
        pytest.param([("10", None), ("10", "10+13,40")], [10, 10], 0, id="added for other claims"),
        pytest.param([("{count: 9, vary: [init]}", None)] * 2, [4, 9], 0, id="interrupted, with what seeds vary"),
    ],
)
def test_only_another_plan_counts_against_a_claim(
    sweeps: list[tuple[str, str | None]], under: list[int], additions: int
) -> None:
    """under: seeds that there were at the end of each sweep."""
    rows = [
        (str(number), seed, "completed")
        for number, (before, now) in enumerate(zip([0, *under], under, strict=False))
        for seed in range(before, now)
    ]
    about = pd.DataFrame(rows, columns=["environment_id", "seed", "status"])
    assert history(*sweeps).additions(about, about) == additions


def test_the_command_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "demo", {MLP: base(11), CNN: above(11, 0.001)}, CNN_WINS, looks=str(PLAN)).root
    assert run(["claims", str(root)]) == 0
    text = capsys.readouterr().out
    assert "look 2 of at most 4, at 11 of at most 20 seeds" in text
    assert "1 inconclusive; seeds are added until they are decided, so far 11 of at most 20" in text
