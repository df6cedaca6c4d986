"""`orch sweep --notify`: a command of the user's hears of the first failure and of the end, and can do no harm."""

import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import orchestrator.sweep.run
from clusters.file import read_cluster
from orchestrator.cli import run
from orchestrator.errors import InfrastructureLost, LockedResults, OrchError
from orchestrator.remote import jobs as remote_sweep
from orchestrator.remote.jobs import SubmittedJob
from orchestrator.remote.request import Answer
from orchestrator.sweep import notify
from orchestrator.sweep.notify import Notice, Notifier
from orchestrator.sweep.stop import StoppedEarly

GRID = """\
name: seen
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""
HEARS = """\
import json, os, sys
call = {"in": json.load(sys.stdin), "env": {k: v for k, v in os.environ.items() if k.startswith("ORCH_NOTIFY_")}}
call["arguments"] = sys.argv[1:]
with open("heard", "a") as file:
    file.write(json.dumps(call) + "\\n")
print("not for the output of the sweep")
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("grid.yaml").write_text(GRID)
    Path("hears.py").write_text(HEARS)
    return ["sweep", "grid.yaml", "--engine", "inline", "-q"]


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fails(*_: object, **__: object) -> NoReturn:
        raise error

    return fails


def command(*words: str) -> str:
    return shlex.join([sys.executable, *words])


def heard() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("heard").read_text().splitlines()]


def test_the_end_is_reported(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sweep, "--notify", command("hears.py", "two words", "$HOME; touch x | `id`")]) == 0
    (message,) = heard()
    assert message["arguments"] == ["two words", "$HOME; touch x | `id`"]  # no shell has read them
    assert message["in"]["counts"] == {"completed": 2}
    assert message["in"] | {"message": "", "counts": {}} == {
        "grid": "grid.yaml",
        "sweep": "seen",
        "results": str(Path("results/seen").absolute()),
        "event": "end",
        "outcome": "succeeded",
        "exit_code": 0,
        "counts": {},
        "message": "",
    }
    assert message["env"]["ORCH_NOTIFY_OUTCOME"] == "succeeded"
    assert message["env"]["ORCH_NOTIFY_EXIT_CODE"] == "0"
    assert "2 completed" in message["env"]["ORCH_NOTIFY_MESSAGE"]
    assert capsys.readouterr() == ("", "")


def test_the_first_failure_is_reported_once(sweep: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCH_NOTIFY", command("hears.py"))
    Path("grid.yaml").write_text(GRID.replace("epochs: 1", "epochs: 500, trial_timeout: 0.1s"))
    assert run(sweep) == 1
    first, end = [message["in"] for message in heard()]
    assert (first["event"], first["outcome"], first["exit_code"]) == ("failure", "running", None)
    assert "timed out: mlp(" in first["message"]
    assert (end["event"], end["outcome"], end["exit_code"]) == ("end", "failed", 1)
    assert end["counts"] == {"timed_out": 2}


def test_a_sweep_that_is_refused_has_ended_too(sweep: list[str]) -> None:
    Path("grid.yaml").write_text(GRID.replace("mlp", "mpl"))
    assert run([*sweep, "--notify", command("hears.py")]) == 2
    (message,) = heard()
    assert (message["in"]["outcome"], message["in"]["sweep"]) == ("refused", None)
    assert "grid.yaml:2:" in message["in"]["message"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("/not/there --at all", "--notify command /not/there was not found"),
        (command("-c", "import sys; sys.exit('the server is away')"), "ended with 1 (the server is away)"),
        (command("-c", "import os; os.kill(os.getpid(), 9)"), "ended with -9"),
        (command("-c", "import os; os.close(0); print('x' * 10**6)"), ""),
        ("/", "--notify command / cannot be started: "),
        ("  ", ""),
        ("", ""),
    ],
)
def test_a_command_that_does_not_do_well_is_reported_and_harmless(
    given: str, said: str, sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*sweep, "--notify", given]) == 0
    output, errors = capsys.readouterr()
    assert output == ""
    assert said in errors
    assert bool(errors) == bool(said)
    assert "Traceback" not in errors


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(notify, "SECONDS", 3.0)
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    notifier = Notifier(["sh", "-c", "sleep 1000 & echo $! > pid; wait"], Notice("grid.yaml"), said.append)
    notifier.ended(0, "done")
    assert "had not ended after 3 s, and was ended" in said[0]
    child = Path(f"/proc/{Path('pid').read_text()}/stat")
    ends = time.monotonic() + 20
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < ends:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_what_is_reported_has_no_secrets_and_a_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("hears.py").write_text(HEARS)
    monkeypatch.setenv("SOME_TOKEN", "0123456789abcdef")
    said: list[str] = []
    notifier = Notifier([sys.executable, "hears.py"], Notice("grid.yaml"), said.append)
    notifier.ended(3, "0123456789abcdef \0 \ud800 " + "x" * 10**6)
    assert said == []
    message = heard()[0]["in"]
    assert message["outcome"] == "lost"
    assert message["message"].startswith("[SOME_TOKEN] \\x00 \\ud800 x")
    assert len(message["message"]) == 2000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_sweep_has_begun_is_reported_by_its_name(
    number: signal.Signals, sweep: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orchestrator.sweep.run, "run_sweep", raising(StoppedEarly(number)))
    assert run([*sweep, "--notify", command("hears.py")]) == 128 + number
    (message,) = heard()
    assert (message["in"]["outcome"], message["in"]["exit_code"]) == ("stopped", 128 + number)
    assert message["in"]["message"] == f"stopped by {number.name}"


@pytest.fixture
def far(sweep: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same on a head that has taken it."""
    Path("far.yaml").write_text("name: far\naddress: http://127.0.0.1:9\n")
    given = SubmittedJob(read_cluster(Path("far.yaml")), Path("far.yaml"), "seen", "orch-seen-1", None)
    monkeypatch.setattr(remote_sweep, "submit", lambda *_, **__: given)
    return ["sweep", "grid.yaml", "--cluster", "far.yaml", "-q"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(Answer(0, "", ""), "succeeded"), (Answer(1, "", ""), "failed"), (Answer(5, "", ""), "locked")],
)
def test_the_end_on_a_head_is_reported_here(
    answer: Answer, outcome: str, far: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_sweep, "follow", lambda *_: answer)
    assert run([*far, "--notify", command("hears.py")]) == answer.code
    (message,) = heard()
    assert (message["in"]["outcome"], message["in"]["exit_code"]) == (outcome, answer.code)
    assert message["in"]["message"] == "seen has ended on far"


@pytest.mark.parametrize(
    ("step", "error", "outcome"),
    [("submit", LockedResults("it runs there"), "locked"), ("follow", InfrastructureLost("no answer"), "lost")],
)
def test_a_head_that_refuses_or_is_gone_is_reported_once(
    step: str, error: OrchError, outcome: str, far: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_sweep, step, raising(error))
    assert run([*far, "--notify", command("hears.py")]) == error.exit_code
    (message,) = heard()
    assert (message["in"]["outcome"], message["in"]["message"]) == (outcome, str(error))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_that_is_left_running_has_not_ended(
    number: signal.Signals, far: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote_sweep, "follow", raising(StoppedEarly(number)))
    assert run([*far, "--notify", command("hears.py")]) == 128 + number
    assert not Path("heard").exists()
    assert "the sweep goes on there; nobody is notified of its end: seen is job" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["option", "variable"])
def test_a_sweep_that_is_left_alone_at_once_can_notify_nobody(
    given: str, far: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(remote_sweep, "submit", raising(AssertionError("nothing is submitted")))
    if given == "variable":
        monkeypatch.setenv("ORCH_NOTIFY", command("hears.py"))
    assert run([*far, "--detach", *(["--notify", command("hears.py")] if given == "option" else [])]) == 2
    assert "with --detach nothing is left here to call" in capsys.readouterr().err
    assert not Path("heard").exists()


def test_what_is_no_command_line_is_a_mistake(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*sweep, "--notify", "'open"]) == 2
    assert "No closing quotation" in capsys.readouterr().err
    assert not os.path.lexists("results")


def test_a_grid_names_no_command(sweep: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("grid.yaml").write_text(GRID + "notify: touch x\n")
    assert run(sweep) == 2
    assert "grid.yaml:6:1: unknown key 'notify'" in capsys.readouterr().err
