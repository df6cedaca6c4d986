"""The quick form of the evidence study; the whole one is in docs/statistics.md."""

import numpy as np

from benchmarks import null_worlds as worlds
from benchmarks.evidence_study import any_verdict, looks
from orchestrator.evidence.stats.scope import scoped_test


def test_redrawn_splits_make_seeds_alone_too_sure() -> None:
    """Two learners that may be exchanged, 30 seeds of one pool."""
    random = np.random.default_rng(3)
    studies = [list(worlds.redrawn(random, 30, 0.0)) for _ in range(60)]
    alone = sum(scoped_test(posed[0].strata, 0.0, "these pictures").p <= 0.05 for posed in studies)
    wide = sum(any(any_verdict(posed)) for posed in studies)
    assert alone >= 15
    assert wide <= 9  # of 60 at 5 %, more come once in 1,000 times


def test_a_run_that_broke_on_the_favoured_side_withholds_the_verdict() -> None:
    (posed,) = worlds.failing(np.random.default_rng(0), 30, 3.0)
    assert posed.withheld_above
    assert any_verdict([posed]) == [False]


def test_studies_that_stop_take_fewer_seeds() -> None:
    table = looks(20, 1)
    row = next(line for line in table.splitlines() if "0.5 to 2 spreads" in line)
    assert float(row.split("|")[3]) < 25
