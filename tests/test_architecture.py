"""Imports go one way, and what is quick stays quick: nothing heavy is imported for help and status."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "trainables", "clusters", "results_schema")
MAY_IMPORT = {
    "orchestrator": {"orchestrator", "trainables", "clusters", "results_schema"},
    "trainables": {"trainables"},
    "clusters": {"clusters"},
    "results_schema": {"results_schema", "trainables"},
}
MAY_IMPORT_RAY = {
    "orchestrator/engine/arrivals.py",
    "orchestrator/engine/ray.py",
    "orchestrator/engine/forked_slot.py",
    "orchestrator/engine/worker.py",
    "orchestrator/engine/worker_group.py",
    "orchestrator/engine/worker_group_backend.py",
    "clusters/local_head.py",
    "clusters/ray_cluster.py",
    "clusters/node_watch.py",
    "clusters/jobs.py",
    "orchestrator/sweep/tuning/algorithms.py",  # Tune's searchers and schedulers, not its loop
}
MAY_IMPORT_WANDB = {f"orchestrator/wandb/{name}.py" for name in ("tracker", "open_run", "board")}
NOT_IN_THE_DRIVER = {
    *("torch", "torchvision", "torchmetrics", "sklearn", "scipy", "pandas", "safetensors", "optuna"),
    *("wandb", "matplotlib", "ray.train", "ray.tune", "ray.data"),
}
"""What a driver has no use for before its tables are written: 700 MB and 3 s of imports."""
HEAVY = ("torch", "ray", "wandb", "pandas", "pydantic", "numpy", "pyarrow", "matplotlib")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            yield node.module or ""
            # `from orchestrator import sweep` imports a module too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def importers(name: str) -> set[str]:
    """Files that import a package."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in FILES
        if any(module.partition(".")[0] == name for module in imported(path))
    }


def test_there_are_files_to_look_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    wrong = {
        (path.relative_to(ROOT).as_posix(), module)
        for path in (ROOT / package).rglob("*.py")
        for module in imported(path)
        if module.partition(".")[0] in set(PACKAGES) - MAY_IMPORT[package]
    }
    assert wrong == set()


def test_ray_stays_in_the_engines_that_use_it() -> None:
    assert importers("ray") == MAY_IMPORT_RAY


def test_wandb_stays_in_its_writer() -> None:
    assert importers("wandb") | importers("wandb_workspaces") == MAY_IMPORT_WANDB


def test_matplotlib_stays_in_the_figures() -> None:
    assert {file.rpartition("/")[0] for file in importers("matplotlib")} == {"orchestrator/figures"}


def test_the_plan_knows_no_engine_that_runs_and_the_engines_know_no_store() -> None:
    for path in (ROOT / "orchestrator" / "engine").rglob("*.py"):
        layers = {".".join(module.split(".")[:2]) for module in imported(path) if module.startswith("orchestrator.")}
        assert layers <= {"orchestrator.engine", "orchestrator.errors", "orchestrator.text"}, path


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["status", "--help"], ["sweep", "--help"], ["figure", "--help"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import json, sys; from orchestrator.cli import run; code = run(sys.argv[1:]);"
        f"print(json.dumps([code, [name for name in {HEAVY} if name in sys.modules]]), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(ended.stderr) == [0, []]
    assert ended.stdout.startswith("Usage: orch" if "--help" in arguments else "orch ")


GRID = """\
name: driven
axes:
  dataset: [digits, {name: digits, per_class: 20}, {name: image_folder, path: photos, size: 8}]
  model: [mlp, {name: cnn, channels: [8]}, {name: resnet, depth: 8}, {name: vit, depth: 1, width: 16}, lstm, sgan]
  optimizer: [sgd, adam, lbfgs]
  regularizer: [none, [mixup, weight_decay], augment, gan_augment]
seeds: 2
wandb: {mode: auto}
"""
DRIVER = """
import json, sys
from pathlib import Path
import orchestrator.sweep.run
from clusters.environment import prepare_environment
from orchestrator.cli import run
from orchestrator.cli.sweep import command
from trainables import KINDS
from trainables.registry import registry

described = [registry.get(kind, name).model_json_schema() for kind in KINDS for name in registry.names(kind)]
seen = []

def execute(request, cluster, sweep, *others):  # all but Ray itself, which would take 5 s
    prepare_environment(cluster, preload="", at_once=False)
    import orchestrator.engine.ray
    seen.append((sweep.left, sorted(sys.modules)))

orchestrator.sweep.run.execute = execute
run(["sweep", "grid.yaml", "--wandb", "disabled", "-q"])
print(json.dumps([len(described), *seen[0]]))
"""


def test_a_driver_describes_plans_decodes_and_counts_without_what_trains(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(GRID)
    images = np.random.default_rng(0).integers(0, 256, (60, 12, 10, 3), dtype=np.uint8)
    for index, image in enumerate(images):
        (folder := tmp_path / "photos" / "ab"[index % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{index}.png")
    at_root = os.environ | {"PYTHONPATH": str(ROOT), "ORCH_CACHE": str(tmp_path / "nothing decoded yet")}
    ended = subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=tmp_path, env=at_root, capture_output=True, text=True, check=True
    )
    described, left, modules = json.loads(ended.stdout)
    assert described > 50
    assert left > 100
    assert "ray" in modules
    assert NOT_IN_THE_DRIVER.isdisjoint(modules)


def test_the_installed_command_is_the_package() -> None:
    command = Path(sys.executable).parent / "orch"
    by_command, by_module = (
        subprocess.run([*start, "--version"], capture_output=True, text=True, check=True).stdout
        for start in ([str(command)], [sys.executable, "-m", "orchestrator"])
    )
    assert by_command == by_module == "orch 0.1.0\n"
