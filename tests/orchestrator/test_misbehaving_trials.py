"""Trials that misbehave, between healthy ones: each has its own status, and the healthy ones are as they are without."""

from pathlib import Path

import pandas as pd
import pytest

from tests.orchestrator.processes import ROOT, orch

PLUGIN = ROOT / "tests" / "plugins" / "misbehaving.py"
GRID = """\
name: %s
axes:
  dataset: [digits]
  model: [{name: mlp, hidden: [16]}]
  optimizer: [{name: adam, lr: 0.01}]
  regularizer: [%s]
seeds: 1
protocol: {epochs: 2, trial_timeout: 60s}
wandb: {mode: disabled}
"""
FAILS = {
    "surrogate": r"ValueError: half \ud800 and \x00 nothing",
    "mute": "Mute: (its message cannot be read: ValueError)",
    "liar": "Liar: who",
    "foreign": "Foreign: from elsewhere",
    "generator_exit": "GeneratorExit: GeneratorExit",
    "interrupt": "KeyboardInterrupt: KeyboardInterrupt",
    "leaves": "SystemExit: bye",
    "long": "ValueError: long long",
    "group": "BaseExceptionGroup: several",
    "cyclic": "ValueError: first",
    "recurses": "RecursionError: maximum recursion depth exceeded",
    "closes": "ValueError: after",
    "dtype": "RuntimeError: mat1 and mat2 must have the same dtype",
    "no_gradients": "RuntimeError: element 0 of tensors does not require grad",
}
"""Deeds that end their own trial, each with the beginning of its reason."""
CHANGES = {
    "closes": "closed or replaced the file descriptor 1",
    "child": "left a process running",
    "thread": "left a thread running",
    "spins": "left a thread running",
    "leaks": "left many files open",
    "hook": "changed the hooks of all modules or optimizers",
    "loss": "changed torch.nn.functional.cross_entropy",
    "layer": "changed torch.nn.modules.linear.Linear.forward",
    "step": "changed torch.optim.adam.Adam.step",
    "tensor": "changed torch.Tensor.backward",
    "dtype": "changed the default dtype",
    "no_gradients": "changed whether gradients are computed",
    "low_recursion": "changed the recursion limit",
    "folder": "changed the working directory",
    "settings": "changed timers; changed environment variables",
}
"""Deeds that the next trial would feel, each with the beginning of what the row says of it."""
UNFELT = ("forks", "prints")
KILLS = {"segfault": "SIGSEGV", "abort": "SIGABRT", "exit": "7"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the plug-in installed in `site`, as pip does it."""
    made = tmp_path_factory.mktemp("misbehaving")
    described = made / "site" / "misbehaving-1.0.dist-info"
    described.mkdir(parents=True)
    (made / "site" / "misbehaving.py").write_text(PLUGIN.read_text())
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text("[orch.regularizers]\nmischief = misbehaving:Mischief\n")
    return made


def sweep(folder: Path, name: str, engine: str, deeds: tuple[str, ...], *, healthy: int) -> int:
    """Exit code of a grid with a healthy level before each deed, and others behind, `healthy` in all."""
    levels = [f"{{name: dropout, p: 0.{number:02}}}" for number in range(1, healthy + 1)]
    for number, deed in enumerate(deeds):
        levels.insert(2 * number + 1, f"{{name: mischief, deed: {deed}}}")
    (folder / f"{name}.yaml").write_text(GRID % (name, ", ".join(levels)))
    ended = orch(folder, "sweep", f"{name}.yaml", "--engine", engine, site=folder / "site")
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode


def rows_of(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / name / "trials.parquet")


def measured(rows: pd.DataFrame) -> pd.DataFrame:
    """What the healthy trials have measured."""
    healthy = rows[rows["regularizer"].str.startswith("dropout")].set_index("trial_id").sort_index()
    names = [name for name in rows.columns if name.startswith(("train_", "val_", "test_")) and "seconds" not in name]
    return healthy[[*names, "status", "best_epoch", "side_effects"]]


def by_deed(rows: pd.DataFrame) -> pd.DataFrame:
    found = rows["regularizer"].str.extract(r"mischief\(deed=(\w+)\)")[0]
    return rows[found.notna()].set_index(found.dropna())


def expect(rows: pd.DataFrame, deeds: tuple[str, ...]) -> None:
    done = by_deed(rows)
    assert set(done.index) == set(deeds)
    for deed, row in done.iterrows():
        name = str(deed)
        fails = name in FAILS or name in KILLS
        assert row["status"] == ("failed" if fails else "completed"), (name, row["reason"])
        if name in FAILS:
            assert row["reason"].startswith(FAILS[name]), (name, row["reason"])
            assert len(row["reason"]) < 2000
        if name in KILLS:
            assert row["reason"].startswith("gave up after 3 attempts"), (name, row["reason"])
        changed = row["side_effects"]
        if name in CHANGES:
            assert str(changed).startswith(CHANGES[name]), (name, changed)
        else:
            assert pd.isna(changed), (name, changed)


def expect_healthy(rows: pd.DataFrame, alone: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(measured(rows), measured(alone), check_exact=True, check_dtype=False)
    assert measured(rows)["status"].eq("completed").all()
    assert measured(rows)["val_accuracy"].gt(0.8).all()


def alone(folder: Path, healthy: int) -> pd.DataFrame:
    """So many healthy trials, without the others. What an earlier test has run of them does not run again."""
    assert sweep(folder, "alone", "inline", (), healthy=healthy) == 0
    return rows_of(folder, "alone")


SOME = ("surrogate", "interrupt", "closes", "thread", "layer", "dtype", "folder", "forks")
"""That end their trial, change their process, do both, or neither."""
ALL = tuple(dict.fromkeys((*FAILS, *CHANGES, *UNFELT)))


@pytest.mark.timeout(500)
@pytest.mark.parametrize("deeds", [SOME, pytest.param(ALL, marks=pytest.mark.slow)], ids=["some", "all"])
def test_inline_each_has_its_own_status_and_the_others_are_as_without_it(folder: Path, deeds: tuple[str, ...]) -> None:
    name = f"inline_{len(deeds)}"
    assert sweep(folder, name, "inline", deeds, healthy=len(deeds) + 1) == 1
    rows = rows_of(folder, name)
    expect(rows, deeds)
    expect_healthy(rows, alone(folder, len(deeds) + 1))


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_trial_that_takes_the_sweep_with_it_does_so_once(folder: Path) -> None:
    codes: list[int] = []
    while not codes or (codes[-1] not in (0, 1) and len(codes) < 10):
        codes.append(sweep(folder, "kills", "inline", tuple(KILLS), healthy=len(KILLS) + 1))
    assert codes == [-11, -6, 7, 1]
    rows = rows_of(folder, "kills")
    expect(rows, tuple(KILLS))
    assert all(signal in reason for signal, reason in zip(KILLS.values(), by_deed(rows)["reason"], strict=True))
    expect_healthy(rows, alone(folder, len(KILLS) + 1))


@pytest.mark.ray
@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_on_ray_all_of_them_in_one_sweep(folder: Path) -> None:
    deeds = (*ALL, *KILLS)
    assert sweep(folder, "on_ray", "ray", deeds, healthy=len(deeds) + 1) == 1
    rows = rows_of(folder, "on_ray")
    expect(rows, deeds)
    expect_healthy(rows, alone(folder, len(deeds) + 1))
    assert by_deed(rows)["attempts"].max() == 3
