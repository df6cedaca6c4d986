"""Runs what a sweep has to run, and says how to go on where something ends it early."""

import signal
from contextlib import AbstractContextManager, nullcontext, suppress

from clusters.spec import ClusterSpec
from orchestrator.command_line import command_line
from orchestrator.engine import Engine
from orchestrator.engine.opening import ray_engine
from orchestrator.errors import InfrastructureLost, Interrupted, ResultsGone, ResultsRemoved, Stopped
from orchestrator.progress import Progress
from orchestrator.request import SweepRequest
from orchestrator.stopping import Stopping
from orchestrator.store.journal import Journal
from orchestrator.sweep import Sweep
from results_schema import OPEN


def execute(
    request: SweepRequest,
    cluster: ClusterSpec,
    sweep: Sweep,
    journal: Journal,
    stopping: Stopping,
    progress: Progress,
) -> None:
    """Run the queue. Whatever ends it early, what was running is recorded as cancelled."""
    try:
        _run(request, cluster, sweep, stopping, progress)
    except Stopped as stopped:
        journal.cancel_running(str(stopped))
        raise stopped_by_request(journal) from None
    except Interrupted as interrupted:
        journal.cancel_running(str(interrupted))
        raise Interrupted(
            interrupted.signal_number, f"; everything finished is kept. To go on: {command_line()}"
        ) from None
    except ResultsRemoved as removed:
        raise ResultsRemoved(f"{removed}: {command_line()}") from None
    except ResultsGone as gone:
        journal.cancel_running(str(gone))
        raise
    except InfrastructureLost as lost:
        journal.cancel_running(str(lost))
        raise InfrastructureLost(f"{lost}. To go on: {command_line()}") from lost
    finally:
        with suppress(ResultsGone):
            journal.commit()  # the final export, which comes next, reads what is committed


def _run(request: SweepRequest, cluster: ClusterSpec, sweep: Sweep, stopping: Stopping, progress: Progress) -> None:
    try:
        with _engine(request, cluster, sweep, progress) as engine:
            stopping.retake()
            engine.run(sweep)
    except SystemExit:  # Ray's own handler of SIGTERM, in place from its start to our `retake`
        raise Interrupted(signal.SIGTERM) from None
    except InfrastructureLost:
        stopping.check()  # a signal to the whole process group ends Ray's processes, and may end them first
        raise


def _engine(
    request: SweepRequest, cluster: ClusterSpec, sweep: Sweep, progress: Progress
) -> AbstractContextManager[Engine]:
    if request.engine == "inline":
        # it trains in this process, so it needs torch, which Ray's driver does without
        from orchestrator.engine.inline import InlineEngine

        return nullcontext(InlineEngine(request.run_trial))
    progress.note("starting Ray on this machine" if cluster.address == "local" else f"joining Ray at {cluster.address}")
    return ray_engine(cluster, request.run_trial, sweep)


def stopped_by_request(journal: Journal) -> Stopped:
    counts = journal.counts()
    left = sum(counts.get(status, 0) for status in OPEN)
    return Stopped(f"; {left} trial{' waits' if left == 1 else 's wait'}. To go on: {command_line()}")
