"""What the driver of many slots manages: the real loop, sweep and journal, on slots and nodes that are only played.

    python -m benchmarks.driver_scale [--slots 10 100 1000 2000] [--trials 10000] [--seconds 0] [--beside FOLDER] [--json]

`--seconds` is what a trial takes, by the real clock: slots x trials of 1 s could do as many trials a second as there are
slots. Processor time is that of the driver's thread; playing the slots is taken off. What Ray itself would take is not in
it: `refs` are references given to `ray.wait`, and `calls` calls of an actor, a trial. `--beside` runs each line a second
time, in turn, with the code of another checkout (`git worktree add FOLDER COMMIT`). Each line is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks.machine import machine
from benchmarks.null_grid import write_null_grid
from benchmarks.null_trial import null_trial
from benchmarks.table import markdown
from orchestrator.plan.progress import SilentProgress
from orchestrator.sweep.run import SweepRequest, run_sweep

_HERE: Final = Path(__file__).parent.parent
_SLOTS_OF_A_NODE: Final = 10


@dataclass(frozen=True)
class Line:
    """One sweep."""

    slots: int
    nodes: int
    trials: int
    seconds: float
    """What a trial takes."""
    wall: float
    """Seconds of the loop."""
    processor: float
    """Processor seconds of the driver's thread in it."""
    waits: int
    waited_for: int
    exchanges: int

    @property
    def most(self) -> float | None:
        """Trials a second that the slots could do."""
        return self.slots / self.seconds if self.seconds else None


def measure(slots: int, trials: int, seconds: float) -> Line:
    """Run the sweep in this process. Raises SystemExit when a trial is missing from the results."""
    from benchmarks.simulated_slots import Measured, Simulation, simulated

    simulation, measured = Simulation(seconds), Measured()
    nodes = max(1, slots // _SLOTS_OF_A_NODE)
    with tempfile.TemporaryDirectory() as folder, simulated(simulation, slots, nodes, measured):
        request = SweepRequest(
            grid=write_null_grid(Path(folder) / "null.yaml", trials),
            engine="ray",
            results=Path(folder) / "results",
            max_trials=trials,
            wandb_mode="disabled",
            run_trial=null_trial,
        )
        summary = run_sweep(request, SilentProgress())
    if summary.counts != {"completed": trials}:
        raise SystemExit(f"asked for {trials} completed trials and got {summary.counts}")
    return Line(
        *(slots, nodes, trials, seconds, measured.wall, measured.processor),
        *(simulation.waits, simulation.waited_for, simulation.exchanges),
    )


def in_a_process(code: Path, slots: int, trials: int, seconds: float) -> Line:
    """Measure with the code of a checkout, by this file's rules. Raises SystemExit with what it said where it fails."""
    command = [sys.executable, str(Path(__file__)), "--one"]
    command += ["--slots", str(slots), "--trials", str(trials), "--seconds", str(seconds)]
    # benchmarks and tests are this checkout's: the other may not have them
    environment = os.environ | {
        "PYTHONPATH": f"{code}{os.pathsep}{_HERE}",
        "PYTHONSAFEPATH": "1",
        "ORCH_BENCHMARKS": str(_HERE),
    }
    run = subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(run.stderr)
    return Line(**json.loads(run.stdout.splitlines()[-1]))


def table(lines: list[tuple[Line, Line | None]]) -> str:
    header = ["slots", "nodes", "trials", "of s", "wall s", "trials/s", "of possible", "CPU us a trial", "trials/CPU-s"]
    header += ["refs", "calls", "CPU us before", "now / before"]
    return markdown(header, [_row(line, before) for line, before in lines])


def _row(line: Line, before: Line | None) -> list[object]:
    rate, each = line.trials / line.wall, line.processor / line.trials
    other = None if before is None else before.processor / before.trials
    return [
        *(line.slots, line.nodes, line.trials, f"{line.seconds:g}", f"{line.wall:.1f}", f"{rate:,.0f}"),
        "" if line.most is None else f"{rate / line.most:.1%}",
        *(f"{1e6 * each:.0f}", f"{1 / each:,.0f}"),
        *(f"{line.waited_for / line.trials:.2f}", f"{line.exchanges / line.trials:.2f}"),
        *(("", "") if other is None else (f"{1e6 * other:.0f}", f"{each / other:.2f}")),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, nargs="+", default=[10, 100, 1000, 2000])
    parser.add_argument("--trials", type=int, nargs="+", default=[10_000])
    parser.add_argument("--seconds", type=float, default=0.0, help="what a trial takes, by the real clock")
    parser.add_argument("--beside", type=Path, help="a checkout whose code is measured too, in turn")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(measure(options.slots[0], options.trials[0], options.seconds))))
        return
    here, lines = machine(), []
    for slots in options.slots:
        for trials in options.trials:
            now = in_a_process(_HERE, slots, trials, options.seconds)
            before = options.beside and in_a_process(options.beside.resolve(), slots, trials, options.seconds)
            lines.append((now, before))
    if options.json:
        print(json.dumps(here | {"lines": [[asdict(line) for line in pair if line] for pair in lines]}))
        return
    print(table(lines))


if __name__ == "__main__":
    main()
