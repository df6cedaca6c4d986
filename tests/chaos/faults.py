"""Every fault that the harness knows, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos import calls, killing, measurement_faults, ray_faults, ray_habits, surroundings, variant_faults
from tests.chaos.figures import Figures
from tests.chaos.lab import SGD, SMALL, Lab, grid

ONE_TRIAL = grid((0,), (SGD,))
"""Its sweep makes some hundred system calls."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens to a sweep."""

    name: str
    run: Callable[[Lab, Random, int], Figures]
    """number: how often it was tried before, for a fault that goes round its variants."""
    grid: str = SMALL
    pace: float = 0.0
    weight: float = 1.0
    """How often the walk chooses it, compared with others."""
    needs: Callable[[Path], bool] = lambda folder: True
    """Whether this machine can do it."""

    @property
    def about(self) -> str:
        """Its docstring's first line."""
        return (self.run.__doc__ or "").strip().splitlines()[0]


def _strace(folder: Path) -> bool:
    return calls.STRACE is not None


INLINE = (
    Fault("kill-driver", killing.kill_driver, weight=4),
    Fault("kill-driver-paced", killing.kill_driver_paced, pace=0.2, weight=2),
    Fault("kill-after-kill", killing.kill_after_kill),
    Fault("kill-at-call", calls.kill_at_call, ONE_TRIAL, weight=8, needs=_strace),
    Fault("kill-within-write", calls.kill_within_write, ONE_TRIAL, weight=8, needs=_strace),
    Fault("call-fails", calls.fail_call, ONE_TRIAL, weight=8, needs=_strace),
    Fault("disk-full-from-call", calls.fail_from_call_on, ONE_TRIAL, weight=4, needs=_strace),
    Fault("file-size-limit", surroundings.files_may_not_grow),
    Fault("disk-full", surroundings.full_disk, needs=surroundings.may_mount),
    Fault("read-only", surroundings.read_only, pace=0.1, needs=surroundings.may_mount),
    Fault("folder-removed", surroundings.folder_removed, pace=0.2),
    Fault("signals", surroundings.signals, pace=0.2, weight=3),
    Fault("race", surroundings.race, pace=0.05, weight=2),
    Fault("reads", surroundings.reads, pace=0.05),
    Fault("kill-driver-measured", measurement_faults.kill_driver, measurement_faults.MEASURED, weight=0.3),
)
RAY = (
    Fault("ray-kill-driver", ray_faults.kill_driver, pace=0.2),
    Fault("ray-kill-driver-real", ray_faults.kill_driver_real),
    Fault("ray-kill-worker", ray_faults.kill_worker, pace=0.5),
    Fault("ray-kill-rank", ray_faults.kill_rank, ray_faults.WORKER_GROUPS, pace=1.0),
    Fault("ray-kill-raylet", ray_faults.kill_raylet, pace=0.5),
    Fault("ray-kill-gcs", ray_faults.kill_gcs, pace=0.5),
    Fault("ray-signals", ray_faults.signals, pace=0.5),
    Fault("ray-bad-trials", ray_faults.bad_trials, ray_faults.GOOD),
    Fault("ray-holds-the-gil", ray_faults.holds_the_gil, ray_faults.GOOD),
    Fault("ray-nodes", ray_faults.nodes_come_and_go, ray_faults.MIXED, pace=1.0),
    Fault("ray-driver-stopped", ray_habits.driver_stopped, ray_habits.LIMITED, pace=2.0, weight=0.3),
    Fault("ray-worker-stopped", ray_habits.worker_stopped, ray_habits.MANY, pace=2.0, weight=0.3),
    Fault("ray-terminal-stops", ray_habits.terminal_stops, ray_habits.LIMITED, pace=2.0, weight=0.3),
    Fault("ray-two-at-once", ray_habits.two_at_once, ray_habits.MANY, pace=2.0),
    Fault("ray-code-edited", ray_habits.code_edited, ray_habits.MANY, pace=2.0),
    Fault("ray-carried-away", ray_habits.carried_away, pace=0.2),
    Fault("ray-kill-driver-variants", variant_faults.kill_driver, variant_faults.VARIANTS, pace=0.2),
    Fault("ray-kill-worker-variants", variant_faults.kill_worker, variant_faults.VARIANTS, pace=1.0),
    Fault("ray-kill-many-workers", variant_faults.kill_many_workers, variant_faults.MANY_VARIANTS, 0.5, 0.3),
    Fault("ray-kill-many-drivers", variant_faults.kill_many_drivers, variant_faults.MANY_VARIANTS, 0.2, 0.3),
    Fault("ray-kill-driver-measured", measurement_faults.kill_driver_of_ray, measurement_faults.MEASURED, weight=0.3),
)
FAULTS = {fault.name: fault for fault in (*INLINE, *RAY)}
