"""Counts what models compute, in a process of its own: it builds them, and torch would take 500 MB of the driver's memory.

`python -m orchestrator.counting` answers on standard output what it is asked on standard input, until that is closed.
"""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from clusters.signals import WARNINGS, children_deaf_to
from orchestrator.errors import InfrastructureLost
from orchestrator.outputs import open_outputs
from trainables.dataset import DataInfo
from trainables.model import Model
from trainables.registry import registry
from trainables.task import Task


class FlopCounter:
    """Operations of a forward pass over one example. The process starts with the first model that is asked of."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def count(self, model: Model, data: DataInfo) -> int:
        """Raises RuntimeError where the model cannot be built, and InfrastructureLost."""
        if "torch" in sys.modules:  # then it costs no more
            return counted(model, data)
        if self._process is None:
            self._process = _started()
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None and answers is not None
        try:
            pickle.dump((model, data), asked)
            asked.flush()
            answer = pickle.load(answers)  # noqa: S301 - our own process # nosec B301
        except (EOFError, BrokenPipeError) as gone:
            raise InfrastructureLost(
                f"the process that counts the operations of {model.name} has died (killed, or memory ran out);"
                " run the same command again"
            ) from gone
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, int)
        return answer


def counted(model: Model, data: DataInfo) -> int:
    """The same here, with torch."""
    from trainables.costs import count_flops

    task = registry.get("task", data.task)()
    assert isinstance(task, Task)
    return count_flops(model.build(data, task.outputs(data)), data.shape)


def _started() -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, sys.path))  # a component may come from anywhere that this process finds
    with children_deaf_to(WARNINGS):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.counting"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,  # a signal to the driver's group is for the driver, which then closes the pipe
        )


def main() -> None:
    open_outputs()  # a model that prints where nobody takes it can be built all the same
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints as it is built is no answer
    with suppress(EOFError, BrokenPipeError):  # the driver has what it wants, or is gone
        while True:
            model, data = pickle.load(sys.stdin.buffer)  # noqa: S301 - the driver's # nosec B301
            pickle.dump(_answer(model, data), answers)
            answers.flush()
    os._exit(0)  # an answer that nobody takes is not worth another try


def _answer(model: Model, data: DataInfo) -> int | Exception:
    try:
        return counted(model, data)
    except Exception as raised:  # noqa: BLE001 - a plug-in's, say: the driver says it
        return RuntimeError(f"{model.name} cannot be built: {raised!r}")


if __name__ == "__main__":
    main()
