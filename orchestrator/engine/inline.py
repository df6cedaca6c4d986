"""Trials one after another in this process: for small grids, and for a debugger."""

import torch

from orchestrator.engine import RunTrial, Shape, Work
from orchestrator.engine.attempt import attempt
from orchestrator.errors import UserError
from trainables.context import SingleContext
from trainables.order import TrialOrder
from trainables.warm_up import warm_up


class InlineEngine:
    """Executes every trial where it is called from. Trials of more than one worker are refused."""

    def __init__(self, run_trial: RunTrial) -> None:
        self._run_trial = run_trial

    def run(self, work: Work) -> None:
        warm_up()
        threads = torch.get_num_threads()
        try:
            while shapes := work.shapes():
                self._run_shape(work, shapes[0])
        finally:
            torch.set_num_threads(threads)

    def close(self) -> None:
        return

    def _run_shape(self, work: Work, shape: Shape) -> None:
        if shape.workers > 1:
            raise UserError(f"resources.workers: {shape.workers} needs several processes; use --engine ray")
        torch.set_num_threads(shape.cpus)
        device = torch.device("cuda" if shape.gpus > 0 else "cpu")
        while (order := work.take(shape)) is not None:
            self._attempt(work, order, device)
            work.beat()

    def _attempt(self, work: Work, order: TrialOrder, device: torch.device) -> None:
        def cancelled() -> bool:
            work.beat()
            return False

        attempt(
            order,
            slot="inline",
            run_trial=self._run_trial,
            context=lambda report: SingleContext(device, report, order.spec.protocol.trial_timeout, cancelled),
            emit=work.tell,
        )
