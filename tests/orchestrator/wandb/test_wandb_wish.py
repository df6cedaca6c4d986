"""The environment's wish that nothing be sent to W&B stands above every grid and every option, and is reported."""

import os
from pathlib import Path

import pytest

from orchestrator.cli import run as orch
from orchestrator.wandb.process import has_key
from orchestrator.wandb.settings import base_url, wish, wished
from tests.orchestrator.sample import write_sample
from tests.wandb_server import KEY, WandbServer

GRID = """\
name: quiet
axes: {dataset: [digits], model: [{name: mlp, hidden: [8]}], optimizer: [sgd], regularizer: [none]}
protocol: {epochs: 1}
wandb: {mode: online}
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "mode"),
    [
        ("WANDB_MODE", "disabled", "disabled"),
        ("WANDB_MODE", "Disabled ", "disabled"),
        ("WANDB_MODE", "offline", "offline"),
        ("WANDB_MODE", "OFFLINE", "offline"),
        ("WANDB_MODE", "dryrun", "offline"),
        ("WANDB_MODE", "ofline", "offline"),
        ("WANDB_DISABLED", "true", "disabled"),
        ("WANDB_DISABLED", "TRUE", "disabled"),
        ("WANDB_DISABLED", "1", "disabled"),
        ("WANDB_DISABLED", "yes", "disabled"),
        ("WANDB_MODE", "online", None),
        ("WANDB_MODE", "shared", None),
        ("WANDB_MODE", "", None),
        ("WANDB_DISABLED", "false", None),
        ("WANDB_DISABLED", "0", None),
        ("WANDB_SILENT", "true", None),
    ],
)
def test_the_wish_not_to_send_is_above_auto_and_online_and_the_wish_to_send_above_nothing(
    name: str, value: str, mode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    for asked in ("auto", "online"):
        assert wished(asked)[0] == (mode or asked)
    for asked in ("offline", "disabled"):
        assert wished(asked) == (asked, None)
    found = wish()
    assert (None if found is None else found.source) == (None if mode is None else f"{name}={value}")


@pytest.mark.parametrize("folder", ["wandb", ".wandb", ".config/wandb", "elsewhere"])
@pytest.mark.parametrize(
    ("line", "mode"), [("mode = offline", "offline"), ("mode = disabled", "disabled"), ("disabled = true", "disabled")]
)
def test_what_wandb_offline_and_wandb_disabled_write_is_such_a_wish(
    folder: str, line: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if folder == "elsewhere":
        monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / folder))
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "settings").write_text(f"[default]\nbase_url = http://127.0.0.1:9/\n{line}\n")
    found = wish()
    assert found is not None
    assert (found.mode, str(tmp_path / folder) in found.source or found.source.endswith("wandb/settings")) == (
        mode,
        True,
    )
    assert base_url() == "http://127.0.0.1:9"
    monkeypatch.setenv("WANDB_MODE", "online")  # the SDK has the environment above its files
    assert (wish() is None) == line.startswith("mode")


def test_the_strictest_wish_counts_and_a_file_that_cannot_be_read_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb").mkdir()
    settings = tmp_path / "wandb" / "settings"
    for content in (b"mode = offline\n", b"[default\n", b"\xff\xfe\x00", b"[other]\nmode = offline\n"):
        settings.write_bytes(content)
        assert wish() is None
    settings.unlink()
    os.mkfifo(settings)
    assert wish() is None
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DISABLED", "true")
    assert wished("online")[0] == "disabled"


def test_the_key_of_a_server_that_wandb_login_has_noted_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f"machine lab.example:8080 login user password {KEY}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert not has_key()
    (tmp_path / ".config" / "wandb").mkdir(parents=True)
    (tmp_path / ".config" / "wandb" / "settings").write_text("[default]\nbase_url = http://lab.example:8080\n")
    assert has_key()


@pytest.mark.parametrize(
    ("name", "value", "options", "folders"),
    [
        ("WANDB_MODE", "disabled", [], 0),
        ("WANDB_DISABLED", "true", ["--wandb", "online"], 0),
        ("WANDB_MODE", "dryrun", ["--wandb", "auto"], 1),
    ],
)
def test_a_sweep_and_a_push_send_nothing_then_and_say_why(
    name: str,
    value: str,
    options: list[str],
    folders: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv(name, value)
        assert orch(["sweep", "grid.yaml", "--engine", "inline", *options]) == 0
        assert capfd.readouterr().err.count(f"{name}={value} is set") == 1
        assert len(list((tmp_path / "results" / "quiet").glob("wandb/offline-run-*"))) == folders
        assert orch(["wandb", "push", "results/quiet"]) == 2
        assert f"{name}={value} is set, so that nothing is sent" in capfd.readouterr().err
        assert sum(server.requests.values()) == 0


def test_without_such_a_wish_a_grid_that_says_disabled_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "grid.yaml").write_text(GRID.replace("online", "disabled"))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert orch(["sweep", "grid.yaml", "--engine", "inline"]) == 0
    assert "WANDB" not in capfd.readouterr().err
    assert not (tmp_path / "results" / "quiet" / "wandb").exists()


def test_doctor_tells_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from orchestrator.doctor import check_wandb

    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert "WANDB_MODE=offline is set" in check_wandb().found


def test_results_that_exist_are_pushed_nowhere_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_sample(tmp_path / "demo")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_DISABLED", "on")
    assert orch(["wandb", "push", str(paths.root)]) == 2
