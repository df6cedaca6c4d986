"""What the sweeps on a directory tell of its claims: how often seeds were added after a look, and what was withdrawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.evidence.finding import Evidence
from orchestrator.evidence.pairing import Units
from orchestrator.evidence.post_hoc import ClaimHistory
from orchestrator.evidence.stats.design import NoPictures
from orchestrator.evidence.stats.scope import Stratum
from orchestrator.evidence.verdict import verdicts
from orchestrator.grid.claims import min_seeds
from orchestrator.grid.reader import read_text
from tests.orchestrator.evidence.stated import stated

CLAIM = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
OTHER = "better: {model: resnet}, than: {model: mlp}, on: test_accuracy"


def recorded(*sweeps: tuple[str, str]) -> ClaimHistory:
    """sweeps: each with its seeds, as a grid has them, and its options."""
    rows = [
        {
            "environment_id": str(number),
            "started_at": number,
            "grid": f"seeds: {seeds}\n",
            "command": f"orch sweep g.yaml {options}",
        }
        for number, (seeds, options) in enumerate(sweeps)
    ]
    return ClaimHistory(pd.DataFrame(rows))


def trials(*under: tuple[int, range], status: str = "completed") -> pd.DataFrame:
    """under: a sweep and the seeds whose trials came to their end in it."""
    rows = [(str(sweep), seed, status) for sweep, seeds in under for seed in seeds]
    return pd.DataFrame(rows, columns=["environment_id", "seed", "status"])


@pytest.mark.parametrize(
    ("sweeps", "under", "looks"),
    [
        pytest.param([("10", "")], [(0, range(10))], 0, id="one sweep"),
        pytest.param([("10", ""), ("10", "")], [(0, range(4)), (1, range(4, 10))], 0, id="interrupted"),
        pytest.param([("5", ""), ("10", "")], [(0, range(5)), (1, range(5, 10))], 1, id="more in the grid"),
        pytest.param([("5", ""), ("5", "--seeds 9")], [(0, range(5)), (1, range(5, 9))], 1, id="more by --seeds"),
        pytest.param(
            [("5", ""), ("10", ""), ("20", "")],
            [(0, range(5)), (1, range(5, 10)), (2, range(10, 20))],
            2,
            id="twice",
        ),
        pytest.param([("5", ""), ("5", "--add-seeds")], [(0, range(5)), (1, range(5, 12))], 1, id="by --add-seeds"),
        pytest.param([("5", ""), ("5", "--add-seeds")], [(0, range(5))], 0, id="--add-seeds that added none"),
        pytest.param(
            [("5", ""), ("5", "--add-seeds"), ("5", "")],
            [(0, range(5)), (1, range(5, 8)), (2, range(8, 12))],
            1,
            id="--add-seeds, interrupted",
        ),
        pytest.param([("5", ""), ("10", "")], [(1, range(10))], 0, id="nothing had told anything"),
    ],
)
def test_seeds_that_are_added_after_a_look_count(
    sweeps: list[tuple[str, str]], under: list[tuple[int, range]], looks: int
) -> None:
    about = trials(*under)
    assert recorded(*sweeps).additions(about, about) == looks


def test_seeds_that_replace_others_count() -> None:
    """Whoever draws other seeds until they tell what is wanted looks as often."""
    about = trials((0, range(3)), (1, range(3, 6)))
    sweeps = recorded(("[0, 1, 2]", ""), ("[3, 4, 5]", ""))
    assert sweeps.additions(about[about["seed"] >= 3], about) == 1


def test_failures_are_no_look() -> None:
    about = pd.concat([trials((0, range(5)), status="failed"), trials((1, range(5, 10)))])
    assert recorded(("5", ""), ("10", "")).additions(about, about) == 0


def evidence(additions: int = 0) -> Evidence:
    units = Units(
        strata=(Stratum(0.01 + 0.03 * np.cos(np.arange(10)), NoPictures()),),
        pairs=10,
        seeds=10,
        planned=10,
        blocks=10,
        waiting=0,
        lacking={},
        flattering=0,
        belittling=0,
        trial_ids=frozenset(),
        sides=(),
    )
    return Evidence(units=units, post_hoc=False, additions=additions, cells=frozenset())


def test_a_claim_that_is_withdrawn_still_counts() -> None:
    """Who makes ten claims and keeps the one that held has made ten."""
    (claim,) = read_text(stated(CLAIM), Path("grid")).claims
    ((alone,), (among,)) = (verdicts([claim], [evidence()], others) for others in (0, 2))
    assert alone.corrected is not None
    assert alone.corrected == pytest.approx(alone.p)
    assert among.corrected == pytest.approx(3 * alone.corrected)


def test_the_seeds_that_would_decide_allow_for_one_look_more() -> None:
    (claim,) = read_text(stated(CLAIM), Path("grid")).claims
    ((first,), (third,)) = (verdicts([claim], [evidence(additions)]) for additions in (0, 2))
    assert first.seeds is not None
    assert third.seeds is not None
    assert 10 < first.seeds < third.seeds
    assert min_seeds(2) <= first.seeds


def test_what_was_withdrawn_before_anything_was_seen_is_nobodys_concern() -> None:
    texts = [stated(CLAIM, OTHER), stated(CLAIM)]
    rows = [
        {"environment_id": str(number), "started_at": number, "grid": text, "command": "orch sweep g.yaml"}
        for number, text in enumerate(texts)
    ]
    sweeps = ClaimHistory(pd.DataFrame(rows))
    now = {claim.digest for claim in read_text(texts[1], Path("grid")).claims}
    assert list(sweeps.dropped(now, trials((0, range(2)))).values()) == ["H2 (as said)"]
    assert sweeps.dropped(now, trials((1, range(2)))) == {}
