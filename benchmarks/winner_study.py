"""Is the winner's score too high, and does `--confirm` mend it? Made-up sweeps of cells that are all alike.

`python -m benchmarks.winner_study` (two minutes on one core). Validation and test of a trial share a part of its luck, as
where initial weights decide how good a net gets. Each sweep goes through what ranks cells, names rivals and confirms.
"""

import argparse
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.table import markdown
from orchestrator.evidence.contest import strata_of
from orchestrator.evidence.stats.leaderboard import leaderboard, rivals
from orchestrator.evidence.stats.paired import holm
from orchestrator.evidence.stats.scope import scoped_test
from orchestrator.evidence.strata import unknown
from orchestrator.grid.claims import ALPHA
from orchestrator.grid.measures import measure_named

MEAN: Final = 0.9
SPREAD: Final = 0.01
"""Standard deviation of a trial's luck on either split."""
SHARED: Final = (0.0, 0.5, 1.0)
"""Part of the variance that validation and test have in common."""
CELLS: Final = (2, 12)
SEEDS: Final = 10
TEST, TRAIN = 200, 2_000


def trials_of(random: np.random.Generator, cells: int, shared: float, first_seed: int) -> pd.DataFrame:
    """Rows of `trials`; splits are redrawn by each seed, and all cells are equally good."""
    common = random.normal(0, SPREAD * shared**0.5, (cells, SEEDS))

    def split() -> NDArray[np.float64]:
        return MEAN + common + random.normal(0, SPREAD * (1 - shared) ** 0.5, (cells, SEEDS))

    cell, seed = np.meshgrid(np.arange(cells), np.arange(first_seed, first_seed + SEEDS), indexing="ij")
    rows = pd.DataFrame({"cell_id": cell.ravel().astype(str), "seed": seed.ravel()})
    rows = rows.assign(val_accuracy=split().ravel(), test_accuracy=split().ravel(), status="completed")
    rows["trial_id"] = rows["cell_id"] + ":" + rows["seed"].astype(str)
    return rows.assign(
        dataset_config='{"name": "made up"}',
        protocol_config="{}",
        data_fingerprint="f",
        split_design="redrawn",
        varied=None,
        repetition=None,
        test_size=TEST,
        train_size=TRAIN,
        val_size=TEST,
        unlabelled_size=0,
    )


def study(cells: int, shared: float, sweeps: int, seed: int) -> tuple[float, float, float, float, float]:
    """Mean of the winner's score less the truth when it was chosen, and on fresh seeds, each with its standard error;
    and the share of sweeps in which any rival is told from it on fresh seeds.
    """
    random = np.random.default_rng(seed)
    on = measure_named("test_accuracy")
    assert on is not None
    chosen, confirmed, wrong = [], [], 0
    for _ in range(sweeps):
        board = leaderboard(trials_of(random, cells, shared, 0), measure="test_accuracy", selection="val_accuracy")
        first, *others = rivals(board)
        fresh = trials_of(random, cells, shared, 720_720)
        values = fresh["test_accuracy"]
        chosen.append(float(board["mean"].iloc[0]) - MEAN)
        confirmed.append(
            scoped_test(strata_of({first: 1.0}, fresh, values, on, unknown), 0.0, "pictures like these").effect - MEAN
        )
        tests = [
            scoped_test(strata_of({first: 1.0, other: -1.0}, fresh, values, on, unknown), 0.0, "pictures like these")
            for other in others[:11]
        ]
        wrong += bool((holm([test.p for test in tests]) <= ALPHA).any()) if tests else 0
    error = sweeps**0.5
    return (
        *(float(np.mean(chosen)), float(np.std(chosen)) / error),
        *(float(np.mean(confirmed)), float(np.std(confirmed)) / error),
        wrong / sweeps,
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sweeps", type=int, default=100)
    options.add_argument("--seed", type=int, default=13)
    given = options.parse_args()
    rows = []
    for cells in CELLS:
        for shared in SHARED:
            high, high_error, fresh, fresh_error, wrong = study(cells, shared, given.sweeps, given.seed)
            rows.append(
                (
                    f"{cells}",
                    f"{shared:.0%}",
                    f"{100 * high:+.2f} ± {196 * high_error:.2f}",
                    f"{100 * fresh:+.2f} ± {196 * fresh_error:.2f}",
                    f"{wrong:.1%}",
                )
            )
    heads = ("equal cells", "shared luck", "chosen, points too high", "confirmed", "told from a rival")
    print(markdown(heads, rows))


if __name__ == "__main__":
    main()
