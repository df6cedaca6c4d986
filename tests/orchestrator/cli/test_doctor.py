import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.doctor import command
from orchestrator.doctor import check_data, check_packages
from tests.orchestrator.processes import ORCH, environment

SECRET = "0123456789abcdef0123456789abcdef01234567"


def doctor(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], env=environment)


def test_this_machine_can_be_used_and_the_key_is_never_printed(tmp_path: Path):
    done = doctor("--quick", "--json", "--results", tmp_path / "results", WANDB_API_KEY=SECRET)
    shown = json.loads(done.stdout)
    assert done.exit_code == 0
    assert shown["usable"]
    found = {check["about"]: check for check in shown["findings"]}
    assert found["packages"]["state"] == "ok"
    assert found["W&B"]["state"] == "ok"
    assert SECRET not in done.output
    assert not (tmp_path / "results").exists()


def test_each_problem_comes_with_its_fix_and_the_exit_code(tmp_path: Path):
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text("cpus: many\n")
    done = doctor("--quick", "--data", tmp_path / "missing", "--cluster", cluster, "--results", tmp_path, NO_COLOR="1")
    assert done.exit_code == 1
    assert f"{tmp_path / 'missing'} is not a folder" in done.stdout
    assert "cluster.yaml" in done.stdout
    assert done.stdout.count("PROBLEM") == 2
    assert done.stdout.count("fix:") >= 2
    assert "\x1b[" not in done.stdout


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("address: auto\n", "lab (attach, auto), not tried"),
        ("name: ours\naddress: auto\n", "ours (attach, auto), not tried"),
        ("cpus: 1\n", "lab (this machine), not tried"),
    ],
)
def test_a_cluster_is_called_as_its_file_where_it_has_no_name(tmp_path: Path, text: str, found: str):
    (tmp_path / "lab.yaml").write_text(text)
    done = doctor("--quick", "--json", "--results", tmp_path, "--cluster", tmp_path / "lab.yaml")
    said = {check["about"]: check["found"] for check in json.loads(done.stdout)["findings"]}
    assert said["cluster"] == found


def test_an_empty_data_folder_has_digits_and_says_how_to_get_the_rest(tmp_path: Path):
    found = {check.about: check for check in check_data(tmp_path)}
    assert found["data: digits"].state == "ok"
    assert found["data: mnist"].state == "note"
    assert str(tmp_path) in (found["data: mnist"].fix or "")
    assert list(tmp_path.iterdir()) == []


def test_a_package_below_its_floor_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    info = tmp_path / "toy_grid-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", "Name: toy-grid", "Version: 1.0"]
    lines += ["Requires-Dist: numpy>=99", "Requires-Dist: no-such-package-here>=1", "Requires-Dist: click>=8"]
    lines += ["Requires-Dist: another-missing-one; extra == 'dev'"]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {check.about: check for check in check_packages("toy-grid")}
    assert set(found) == {"numpy", "no-such-package-here"}
    assert {check.state for check in found.values()} == {"problem"}
    assert found["numpy"].fix == "pip install 'numpy>=99'"


@pytest.mark.ray
@pytest.mark.slow
def test_ray_really_starts():
    """In its own process: this one may have imported Ray before, which reads its environment then."""
    done = subprocess.run([ORCH, "doctor", "--json"], env=environment(), capture_output=True, text=True)
    checks = {check["about"]: check for check in json.loads(done.stdout)["findings"]}
    assert checks["cluster"]["state"] == "ok"
    assert "Ray offers" in checks["cluster"]["found"]
