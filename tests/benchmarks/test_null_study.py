"""The quick form of the null study; the whole one is in docs/statistics.md."""

from benchmarks.null_study import study


def test_claims_are_decided_where_something_differs_and_seldom_where_nothing_does() -> None:
    false, found, contradicted = study(sweeps=12, seed=1)
    assert false.found <= 3  # of 12 sweeps at 5 %, more than three come once in 600 times
    assert found.found >= 9
    assert contradicted.found == 0
