"""How a sweep that runs as a job ends here, whatever its process there came to."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusters.jobs import JobEnd
from clusters.spec import ClusterSpec
from orchestrator.errors import InfrastructureLost
from orchestrator.plan.progress import SilentProgress
from orchestrator.remote import jobs
from orchestrator.remote.jobs import SubmittedJob, follow
from orchestrator.remote.request import Answer

FAR = ClusterSpec(name="far", kind="jobs", address="http://127.0.0.1:1")


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Callable[[JobEnd, list[str]], Answer]:
    """Follows a job that prints these lines and ends so."""

    def run(end: JobEnd, lines: list[str]) -> Answer:
        class Cluster:
            def follow(self, job_id: str, say: Callable[[str], None]) -> JobEnd:
                for line in lines:
                    say(line)
                return end

        @contextmanager
        def reached(_: ClusterSpec) -> Iterator[Cluster]:
            yield Cluster()

        monkeypatch.setattr(jobs, "reached", reached)
        monkeypatch.setattr(sys, "argv", ["/bin/orch", "sweep", "grid.yaml", "--cluster", "far.yaml"])
        return follow(SubmittedJob(FAR, Path("far.yaml"), "seen", "orch-seen-1", None), SilentProgress())

    return run


def test_its_answer_is_the_commands(followed: Callable[[JobEnd, list[str]], Answer]) -> None:
    said = Answer(1, "{}", "")
    assert followed(JobEnd(1, "failed"), ["[1/2] completed", said.line()]) == said


@pytest.mark.parametrize("code", [129, 130, 143])
def test_one_that_a_signal_stops_without_an_answer(code: int, followed: Callable[[JobEnd, list[str]], Answer]) -> None:
    assert followed(JobEnd(code, "failed"), []) == Answer(code, "", "")


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (None, "was killed: no memory"),
        (137, "was killed: no memory"),
        (127, "ended with 127 and gave no answer: no memory"),
        (1, "ended with 1 and gave no answer: no memory"),
    ],
)
def test_one_that_went_away_is_lost_and_how_to_go_on_is_said(
    code: int | None, how: str, followed: Callable[[JobEnd, list[str]], Answer]
) -> None:
    with pytest.raises(InfrastructureLost) as lost:
        followed(JobEnd(code, "no memory"), ["Killed"])
    assert str(lost.value) == f"the sweep's process on far {how}. To go on: orch sweep grid.yaml --cluster far.yaml"
