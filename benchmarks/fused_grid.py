"""The 256 trials of `examples/digits_fused.yaml` on two cores: fused, each alone, under joblib and under Ray Tune.

    python -m benchmarks.fused_grid [--only fused,alone,joblib,tune-best]

Every way runs in a process of its own, one after another, from its command to its end. Ours are `orch sweep`, with
decoded data and results in folders that are empty before.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.peer import ROOT, Run, peer, run
from benchmarks.table import markdown

_TRIALS: Final = 256
_GRID: Final = ROOT / "examples" / "digits_fused.yaml"
_FUSE: Final = ", fuse: 16"


def ours(*, fused: bool) -> tuple[Run, str]:
    """`orch sweep`, and what it found: the mean test accuracy, its 95 % interval over trials, and who came first."""
    with tempfile.TemporaryDirectory() as folder:
        text = _GRID.read_text(encoding="utf-8")
        assert _FUSE in text
        grid, results = Path(folder) / "grid.yaml", Path(folder) / "results"
        grid.write_text(text if fused else text.replace(_FUSE, ""), encoding="utf-8")
        arguments = ["sweep", str(grid), "--results", str(results), "--json"]
        done = run(peer("orchestrator", arguments), environment={"ORCH_CACHE": str(Path(folder) / "cache")})
        counts = done.printed[0]["counts"]
        if counts != {"completed": _TRIALS}:
            raise SystemExit(f"asked for {_TRIALS} completed trials and got {counts}")
        trials = pd.read_parquet(results / "trials.parquet")
    error = 1.96 * trials["test_accuracy"].sem()
    levels = ["model", "optimizer", "optimizer_config", "regularizer"]
    ranked = trials.groupby(levels)["val_accuracy"].mean().sort_values(ascending=False)
    best = ranked[ranked == ranked.iloc[0]].index
    names = sorted(f"{model} {optimizer} {regularizer}" for model, optimizer, _, regularizer in best)
    return done, f"{trials['test_accuracy'].mean():.4f} ± {error:.4f}; first: {', '.join(names)}"


def under(module: str) -> tuple[Run, str]:
    """A peer, and the mean test accuracy of its trials."""
    done = run(peer(f"benchmarks.peers.{module}", []))
    return done, f"{done.printed[0]['test_accuracy']:.4f}"


WAYS: Final[dict[str, Callable[[], tuple[Run, str]]]] = {
    "fused": lambda: ours(fused=True),
    "alone": lambda: ours(fused=False),
    "joblib": lambda: under("digits_joblib"),
    "tune-best": lambda: under("digits_tune_best"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(WAYS), help=f"of {','.join(WAYS)}")
    chosen = parser.parse_args().only.split(",")
    if unknown := set(chosen) - set(WAYS):
        parser.error(f"--only knows {', '.join(WAYS)}; not {', '.join(sorted(unknown))}")
    rows, first = [], None
    for way in chosen:
        done, found = WAYS[way]()
        print(f"{way}: {done.wall_seconds:.1f} s of wall, {done.cpu_seconds:.0f} s of processors", file=sys.stderr)
        first = first or done
        ratios = (done.wall_seconds / first.wall_seconds, done.cpu_seconds / first.cpu_seconds)
        rows.append(
            [way, f"{done.wall_seconds:.1f}", f"{done.cpu_seconds:.0f}", *(f"{each:.2f}" for each in ratios), found]
        )
    print(markdown(["way", "wall s", "CPU s", "times the first's wall", "its CPU", "test accuracy"], rows))


if __name__ == "__main__":
    main()
