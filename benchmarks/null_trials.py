"""What a trial costs beyond its training: trials that return one row immediately, through the whole way.

    python benchmarks/null_trials.py --trials 1000 [--variants 5] [--json] [--peers]

Ours is a real sweep (grid file, plan, warm slots on Ray, journal, tables) whose trials are null. `ms_per_trial` counts
from the first trial handed to a ready slot to the last row in the journal; start-up and the final export stand apart.
`--variants` makes so many more of each trial's net, as null as it is, each of which waits for it. `--peers` adds Ray Tune
at its best at 1,000 trials and as most people write it at 32, each in a process of its own.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.driver_use import DriverUse
from benchmarks.machine import machine
from benchmarks.null_grid import write_null_grid
from benchmarks.null_trial import null_trial
from benchmarks.peer import peer, run
from benchmarks.table import markdown
from orchestrator.plan.progress import Progress, SilentProgress
from orchestrator.sweep.run import EngineName, SweepRequest, run_sweep
from orchestrator.sweep.summary import SweepSummary

BEST, USUAL = "Ray Tune at its best", "Ray Tune as most people write it"
PEERS = {BEST: ("benchmarks.peers.null_tune_best", 1000), USUAL: ("benchmarks.peers.null_tune_usual", 32)}


@dataclass(frozen=True)
class Ours:
    """One sweep of null trials."""

    trials: int
    ms_per_trial: float
    startup_seconds: float
    export_seconds: float
    driver_cpu_ms_per_trial: float
    driver_bytes_per_trial: float


@dataclass(frozen=True)
class Peer:
    """The same number of null functions under another runner."""

    trials: int
    ms_per_trial: float
    startup_seconds: float


def measure_ours(trials: int, variants: int = 0) -> Ours:
    """Run the sweep in this process. Raises SystemExit when a trial is missing from the results."""
    # the first export of a process takes some 70 MB for Arrow, once, whenever it falls: that is no trial's memory
    _sweep(100, "inline", SilentProgress())
    every = trials * (1 + variants)
    use = DriverUse(every)
    summary = _sweep(trials, "ray", use, variants)
    return Ours(
        trials=every,
        ms_per_trial=1000 * summary.run_seconds / every,
        startup_seconds=summary.startup_seconds,
        export_seconds=summary.export_seconds,
        driver_cpu_ms_per_trial=1000 * use.cpu_seconds_per_trial,
        driver_bytes_per_trial=use.bytes_per_trial,
    )


def _sweep(trials: int, engine: EngineName, progress: Progress, variants: int = 0) -> SweepSummary:
    every = trials * (1 + variants)
    with tempfile.TemporaryDirectory() as folder:
        request = SweepRequest(
            grid=write_null_grid(Path(folder) / "null.yaml", trials, variants=variants),
            engine=engine,
            results=Path(folder) / "results",
            max_trials=every,
            wandb_mode="disabled",
            run_trial=null_trial,
        )
        summary = run_sweep(request, progress)
    if summary.counts != {"completed": every}:
        raise SystemExit(f"asked for {every} completed trials and got {summary.counts}")
    return summary


def measure_peers() -> dict[str, Peer]:
    return {
        label: Peer(**run(peer(module, ["--trials", str(trials)])).printed[0])
        for label, (module, trials) in PEERS.items()
    }


def table(ours: Ours, peers: dict[str, Peer]) -> str:
    rows = [["orch", ours.trials, f"{ours.ms_per_trial:.2f}", f"{ours.startup_seconds:.1f}", "1"]]
    for label, measured in peers.items():
        ratio = f"{measured.ms_per_trial / ours.ms_per_trial:.0f}"
        rows.append([label, measured.trials, f"{measured.ms_per_trial:.2f}", f"{measured.startup_seconds:.1f}", ratio])
    return markdown(["", "trials", "ms a trial", "start-up s", "ratio"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--variants", type=int, default=0, help="nets to be made of each trial's")
    parser.add_argument("--peers", action="store_true", help="Ray Tune too")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    if options.trials < 1 or options.variants < 0:
        parser.error("--trials: at least 1; --variants: at least 0")
    here = machine()
    ours = measure_ours(options.trials, options.variants)
    peers = measure_peers() if options.peers else {}
    if options.json:
        print(json.dumps(asdict(ours) | {"peers": {name: asdict(peer) for name, peer in peers.items()}} | here))
        return
    print(table(ours, peers))
    print(
        f"\nOurs: final export {ours.export_seconds:.2f} s; the driver uses {ours.driver_cpu_ms_per_trial:.2f} ms of"
        f" processor time and grows {ours.driver_bytes_per_trial:,.0f} bytes a trial."
    )


if __name__ == "__main__":
    main()
