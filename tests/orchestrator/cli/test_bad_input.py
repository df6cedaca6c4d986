"""Every bad input ends with exit code 2 and one line that says where and why; nothing is written, no Ray is started."""

import os
import socket
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

from orchestrator.cli import run

GOOD = """\
name: demo
axes:
  dataset: [digits]
  model: [mlp]
  optimizer: [sgd]
  regularizer: [none]
seeds: 2
protocol: {epochs: 1}
wandb: {mode: disabled}
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


CASES: dict[str, tuple[str | bytes, str]] = {
    "an empty file": ("", "grid.yaml:1:1: "),
    "a comment alone": ("# nothing\n", "grid.yaml:1:1: "),
    "a binary file": (bytes(range(256)) * 4, "grid.yaml"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "grid.yaml"),
    "an unknown key": (changed("seeds:", "sedes:"), "grid.yaml:7:1: "),
    "an unknown key of the protocol": (changed("epochs: 1", "epoch: 1"), "grid.yaml:8:12: "),
    "an unknown axis": (changed("seeds:", "  augmentation: [none]\nseeds:"), "grid.yaml:7:3: "),
    "an unknown component": (changed("[mlp]", "[mpl]"), "grid.yaml:4:11: "),
    "an unknown parameter": (changed("[sgd]", "[{name: sgd, rl: 0.1}]"), "grid.yaml:5:27: "),
    "a duplicate key": (GOOD + "seeds: 3\n", "grid.yaml:10:1: "),
    "a tab": (changed("  model:", "\tmodel:"), "grid.yaml:4:1: "),
    "a tag": (changed("seeds: 2", "seeds: !!python/object/apply:os.system [echo]"), "grid.yaml:7:8: "),
    "a list at the root": ("- name: demo\n", "grid.yaml:1:1: "),
    "a text at the root": ("hello\n", "grid.yaml:1:1: "),
    "a negative learning rate": (changed("[sgd]", "[{name: sgd, lr: -1}]"), "grid.yaml:5:31: "),
    "a learning rate that is not a number": (changed("[sgd]", "[{name: sgd, lr: .nan}]"), "grid.yaml:5:31: "),
    "an infinite learning rate": (changed("[sgd]", "[{name: sgd, lr: .inf}]"), "grid.yaml:5:31: "),
    "a learning rate that is text": (changed("[sgd]", '[{name: sgd, lr: "abc"}]'), "grid.yaml:5:31: "),
    "no epochs": (changed("epochs: 1", "epochs: 0"), "grid.yaml:8:20: "),
    "a fraction of epochs": (changed("epochs: 1", "epochs: 1.5"), "grid.yaml:8:20: "),
    "a negative number of seeds": (changed("seeds: 2", "seeds: -1"), "grid.yaml:7:8: "),
    "a model that is a word of YAML": (changed("model: [mlp]", "model: no"), "grid.yaml:4:10: "),
    "an empty axis": (changed("model: [mlp]", "model: []"), "grid.yaml:4:"),
    "an axis without a value": (changed("model: [mlp]", "model:"), "grid.yaml:4:"),
    "a missing axis": (changed("  model: [mlp]\n", ""), "grid.yaml:"),
    "a name that leaves the folder": (changed("name: demo", "name: ../x"), "grid.yaml:1:7: "),
    "an absolute name": (changed("name: demo", "name: /tmp/x"), "grid.yaml:1:7: "),
    "a name of 300 characters": (changed("name: demo", f"name: {'n' * 300}"), "grid.yaml:1:7: "),
    "an empty name": (changed("name: demo", 'name: ""'), "grid.yaml:1:7: "),
    "a data set that is not there": (changed("[digits]", "[{name: image_folder, path: birds}]"), "grid.yaml:3:34: "),
    "an anchor that is not there": (changed("seeds: 2", "seeds: *many"), "grid.yaml:7:8: "),
    "a text in UTF-16": (GOOD.encode("utf-16"), "grid.yaml:1:1: "),
    "a NUL": (changed("demo", "de\0mo"), "grid.yaml:1:9: "),
    "10 MB": (GOOD + "# much\n" * 1_500_000, "grid.yaml:1:1: "),
    "nested 3,000 deep": (changed("[mlp]", "[" * 3000 + "]" * 3000), "grid.yaml:4:"),
    "blocks nested 3,000 deep": ("\n".join(" " * depth + "a:" for depth in range(700)), "grid.yaml:41:41: "),
    "aliases of aliases": (
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 10)}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True)),
        "grid.yaml:6:4: ",
    ),
    "a merge key": (changed("{epochs: 1}", "{<<: {epochs: 1}}"), "grid.yaml:8:12: "),
    "several documents": (GOOD + "---\n" + GOOD, "grid.yaml:10:1: "),
    "a learning rate beyond all numbers": (changed("[sgd]", "[{name: sgd, lr: 1e400}]"), "grid.yaml:5:31: "),
    "a date": (changed("[sgd]", "[{name: sgd, lr: 2026-01-01}]"), "grid.yaml:5:31: "),
    "a number of 5,000 digits": (changed("epochs: 1", f"epochs: {'9' * 5000}"), "grid.yaml:8:20: "),
    "more epochs than a table holds": (changed("epochs: 1", f"epochs: {10**30}"), "grid.yaml:8:20: "),
    "zero below zero": (changed("[sgd]", "[{name: sgd, lr: -0.0}]"), "grid.yaml:5:31: "),
    "a name with a newline": (changed("demo", '"de\\nmo"'), "grid.yaml:1:7: "),
    "a name that steers a terminal": (changed("demo", '"\\e[31mdemo"'), "grid.yaml:1:7: "),
    "a name that turns around": (changed("demo", "\u202eomed"), "grid.yaml:1:7: "),
    "a name with a mark of direction": (changed("demo", '"\\u200fdemo"'), "grid.yaml:1:7: "),
    "a comment that turns around": (GOOD + "# \u2066hidden\n", "grid.yaml:10:3: "),
    "a model that steers a terminal": (changed("[mlp]", '["\\e]0;x\\a"]'), "grid.yaml:4:11: "),
    "a path of 10,000 characters": (
        changed("[digits]", f"[{{name: image_folder, path: {'x' * 10_000}}}]"),
        "grid.yaml:3:34: ",
    ),
    "a path that is a device": (changed("[digits]", "[{name: image_folder, path: /dev/zero}]"), "grid.yaml:3:34: "),
    "a table that is a device": (changed("[digits]", "[{name: image_parquet, path: /dev/zero}]"), "grid.yaml:3:35: "),
    "an open bracket": (changed("[sgd]", "[sgd"), "grid.yaml:"),
}


class NoRay(MetaPathFinder):
    """Refuses to import ray."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname == "ray":
            raise AssertionError("ray is imported")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, from which ray cannot be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ORCH_DATA", raising=False)
    imported = sys.modules.get("ray")
    for name, module in (
        list(sys.modules.items()) if imported is not None else ()
    ):  # an earlier test, or what it imported
        if module is imported or (name.startswith("orchestrator.") and getattr(module, "ray", None) is imported):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoRay(), *sys.meta_path])
    return tmp_path


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    assert run(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert "Traceback" not in errors
    lines = errors.splitlines()
    assert len(lines) == 1, errors
    return lines[0]


@pytest.mark.parametrize("case", CASES)
def test_a_bad_grid_is_refused_where_it_is_wrong(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, where = CASES[case]
    (folder / "grid.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    line = refused(["sweep", "grid.yaml"], capsys)
    assert line.startswith(where), line
    assert line.isprintable()
    assert len(line) < 2100
    assert [path.name for path in folder.iterdir()] == ["grid.yaml"]


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "socket", "loop", "1 GB"])
def test_a_grid_that_is_no_regular_file_is_not_waited_for(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = folder / "grid.yaml"
    match kind:
        case "fifo":
            os.mkfifo(grid)
        case "device":
            grid.symlink_to("/dev/zero")
        case "folder":
            grid.mkdir()
        case "socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind("grid.yaml")
        case "loop":
            grid.symlink_to("grid.yaml")
        case _:
            with grid.open("wb") as sparse:
                sparse.truncate(2**30)
    for command in ("plan", "sweep"):
        assert "grid.yaml" in refused([command, "grid.yaml"], capsys)
    assert [path.name for path in folder.iterdir()] == ["grid.yaml"]


@pytest.mark.parametrize("name", ["mpl", "sdg", "epochz"])
def test_a_near_name_is_offered(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = {"mpl": "mlp", "sdg": "sgd", "epochz": "epochs"}[name]
    (folder / "grid.yaml").write_text(changed(near, name))
    assert f"did you mean {near}" in refused(["sweep", "grid.yaml"], capsys).replace("'", "")


@pytest.mark.parametrize(
    ("known", "written", "meant"),
    [
        ("sgd", "SGD", "sgd"),
        ("sgd", "AdamW", "adamw"),
        ("sgd", "RMSprop", "rmsprop"),
        ("sgd", "Adam-W", "adamw"),
        ("mlp", "MLP", "mlp"),
        ("mlp", "ResNet", "resnet"),
        ("mlp", "resnet50", "pretrained:resnet50 or torchvision:resnet50"),
        ("mlp", "ResNet-50", "pretrained:resnet50 or torchvision:resnet50"),
        ("mlp", "torchvision:ResNet50", "torchvision:resnet50"),
        ("mlp", "timm:vit_b_16", "pretrained:vit_b_16 or torchvision:vit_b_16"),
        ("mlp", "torchvision:mlp", "mlp"),
        ("mlp", "alexnet", "pretrained:alexnet or torchvision:alexnet"),
    ],
)
def test_a_name_is_offered_for_its_letters_before_one_that_is_only_near(
    known: str, written: str, meant: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "grid.yaml").write_text(changed(f"[{known}]", f"['{written}']"))
    assert f"{written!r}; did you mean {meant}?" in refused(["sweep", "grid.yaml"], capsys)


def test_all_mistakes_are_reported_at_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "grid.yaml").write_text(changed("[mlp]", "[mpl]").replace("epochs: 1", "epochs: 0"))
    assert run(["sweep", "grid.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["grid.yaml:4:11", "grid.yaml:8:20"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["missing.yaml"], "missing.yaml"),
        (["."], "."),
        (["grid.yaml", "--data", "nowhere"], "the data folder nowhere (--data) does not exist"),
        (["grid.yaml", "--max-trials", "1"], "2 trials, more than --max-trials 1"),
        (["grid.yaml", "--cluster", "missing.yaml"], "missing.yaml"),
        (["grid.yaml", "--cluster", "grid.yaml"], "grid.yaml"),
        (["grid.yaml", "--results", "grid.yaml"], "cannot write results to"),
        (["grid.yaml", "--results", "/proc/results"], "cannot write results to /proc/results"),
        (["pairs.yaml", "--engine", "inline"], "use --engine ray"),
        (["many.yaml"], "no trial has room here: it needs 1000 CPUs and 0 GPUs"),
    ],
)
def test_a_bad_option_is_refused(
    arguments: list[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "grid.yaml").write_text(GOOD)
    (folder / "pairs.yaml").write_text(GOOD + "resources: {workers: 2}\n")
    (folder / "many.yaml").write_text(GOOD + "resources: {cpus: 1000}\n")
    assert run(["sweep", *arguments, "-q"]) == 2
    output, errors = capsys.readouterr()
    assert said in errors
    assert output == ""
    assert "Traceback" not in errors
    assert not (folder / "results").exists()


def test_the_data_folder_of_the_environment(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "grid.yaml").write_text(GOOD)
    monkeypatch.setenv("ORCH_DATA", "nowhere")
    assert "the data folder nowhere (ORCH_DATA)" in refused(["sweep", "grid.yaml"], capsys)


def test_a_broken_image_is_named_before_anything_is_started(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (folder / "birds" / name).mkdir(parents=True)
        (folder / "birds" / name / "1.png").write_bytes(b"not an image")
    (folder / "grid.yaml").write_text(changed("[digits]", "[{name: image_folder, path: birds}]"))
    assert run(["sweep", "grid.yaml", "-q"]) == 2
    errors = capsys.readouterr().err
    assert "1.png" in errors
    assert not (folder / "results").exists()


def test_ray_is_what_a_good_grid_would_start(folder: Path) -> None:
    """So the tests above would notice a Ray that is started too early."""
    (folder / "grid.yaml").write_text(GOOD)
    with pytest.raises(AssertionError, match="ray is imported"):
        run(["sweep", "grid.yaml", "-q"])
