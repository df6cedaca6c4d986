"""Keys stay where they are: nothing that a sweep stores, prints or starts holds the value of a secret variable."""

import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.cli import run
from orchestrator.text import masked
from orchestrator.wandb.process import open_key_files
from tests.orchestrator.processes import ORCH, ROOT, SWEEPER, environment

WANDB = "5e4711e1" * 5
TOKEN = "ray-token-5e4711e1-of-the-lab"
NETRC = "netrc-5e4711e1-password"
SENTINEL = b"5e4711e1"
GRID = """\
name: sweep
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [8]}]
  optimizer: [sgd]
  regularizer: [none]
seeds: [%s]
protocol: {epochs: 1}
wandb: {mode: offline, project: %s}
"""


def secrets(folder: Path) -> dict[str, str]:
    """An environment with a key of each kind, and a netrc file."""
    netrc = folder / "home" / ".netrc"
    netrc.parent.mkdir(exist_ok=True)
    netrc.write_text(f"machine api.wandb.ai login user password {NETRC}\n")
    netrc.chmod(0o600)
    (folder / "tmp").mkdir(exist_ok=True)
    own = {name: value for name, value in environment().items() if not name.startswith("WANDB_")}
    return own | {
        "WANDB_API_KEY": WANDB,
        "RAY_AUTH_TOKEN": TOKEN,
        "SOME_PASSWORD": f"pass-{SENTINEL.decode()}",
        "NETRC": str(netrc),
        "TMPDIR": str(folder / "tmp"),
        "ORCH_CACHE": str(folder / "cache"),
    }


def command_lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Of everything that the process has started, so often as it can be asked."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else ():
            try:
                yield " ".join(child.cmdline())
            except psutil.Error:
                continue
        time.sleep(0.05)


def holding(folder: Path) -> list[str]:
    """Files below a folder in which the sentinel stands."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path.relative_to(folder)) for path in files if SENTINEL in path.read_bytes()]


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.chaos])])
def test_nothing_of_a_sweep_holds_a_key(engine: str, tmp_path: Path) -> None:
    """Its second trial prints all keys and fails with one of them."""
    (tmp_path / "grid.yaml").write_text(GRID % ("0, 9", "demo"))
    script = tmp_path / "leak.py"
    script.write_text(LEAK)
    env = secrets(tmp_path)
    with (tmp_path / "out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, script, engine], cwd=tmp_path, env=env, stdout=output, stderr=output
        )
        seen = set(command_lines(process))
    assert process.wait() == 1, (tmp_path / "out").read_text()
    assert any("orchestrator.wandb" in line for line in seen)  # the processes were looked at
    assert not [line for line in seen if SENTINEL.decode() in line]
    assert holding(tmp_path) == ["home/.netrc"]
    assert list((tmp_path / "results" / "sweep" / "wandb").glob("offline-run-*"))
    trial_log = subprocess.run(
        [ORCH, "status", "results/sweep"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "the key is [WANDB_API_KEY]" in trial_log.stdout


LEAK = f"""\
import os, sys
sys.path.insert(0, {str(SWEEPER.parents[2])!r})
from pathlib import Path
from tests.orchestrator.sweeper import misbehave
from orchestrator.cli.terminal.display import display
from orchestrator.sweep.run import SweepRequest
from orchestrator.sweep.run import run_sweep

def leak(trial_task, context):
    if trial_task.spec.seed == 9:
        print(dict(os.environ))
        raise ValueError("the key is " + os.environ["WANDB_API_KEY"])
    return misbehave(trial_task, context)

with display(quiet=False, verbose=True) as progress:
    summary = run_sweep(SweepRequest(grid=Path("grid.yaml"), engine=sys.argv[1], run_trial=leak), progress)
print(summary.as_json())
sys.exit(0 if summary.succeeded else 1)
"""


@pytest.mark.parametrize(
    ("arguments", "project", "where"),
    [
        (["sweep", "grid.yaml"], WANDB, "grid.yaml:9:33: it contains the value of WANDB_API_KEY"),
        (
            ["sweep", "grid.yaml", "--results", f"out/{TOKEN}"],
            "demo",
            "the command line contains the value of RAY_AUTH_TOKEN",
        ),
        (["sweep", "grid.yaml", f"--{TOKEN}"], "demo", "the command line contains the value of RAY_AUTH_TOKEN"),
    ],
)
def test_a_key_given_where_others_could_read_it_is_refused(
    arguments: list[str],
    project: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", WANDB)
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    (tmp_path / "grid.yaml").write_text(GRID % (0, project))
    assert run(arguments) == 2
    output, errors = capsys.readouterr()
    assert errors.startswith(where)
    assert SENTINEL.decode() not in output + errors
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("WANDB_API_KEY", "0123456789", True),
        ("GITHUB_TOKEN", "0123456789", True),
        ("DB_PASSWORD", "0123456789", True),
        ("aws_secret_access_key", "0123456789", True),
        ("SHORT_KEY", "0123", False),
        ("KEYBOARD", "0123456789", False),
        ("RAY_AUTH_TOKEN_PATH", "0123456789", False),
        ("HOME_OF_X", "0123456789", False),
    ],
)
def test_which_variables_are_secret(name: str, value: str, is_secret: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert masked(f"a {value} b") == (f"a [{name}] b" if is_secret else f"a {value} b")


@pytest.mark.parametrize(("mode", "message"), [(0o600, False), (0o644, True), (0o640, True)])
def test_a_key_file_that_others_can_read_is_reported(
    mode: int, message: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine api.wandb.ai login user password {NETRC}\n")
    netrc.chmod(mode)
    assert stat.S_IMODE(netrc.stat().st_mode) == mode
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("WANDB_BASE_URL", raising=False)
    assert bool(open_key_files()) == message
    run(["doctor", "--quick", "--results", str(tmp_path)])
    assert ("others can read the W&B key" in capsys.readouterr().out) == message


def test_no_code_of_ours_gives_ray_a_runtime_environment_with_variables() -> None:
    packages = ("orchestrator", "clusters")
    texts = {path: path.read_text() for package in packages for path in (ROOT / package).rglob("*.py")}
    assert not [path for path, text in texts.items() if "env_vars" in text and "os.environ" in text]
