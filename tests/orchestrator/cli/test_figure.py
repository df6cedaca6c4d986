from pathlib import Path

import pytest

from orchestrator.cli import run
from tests.orchestrator.sample import write_sample


def test_it_prints_where_the_figure_is_and_a_caption_for_latex(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert run(["figure", str(paths.root), "leaderboard"]) == 0
    where, caption = capsys.readouterr().out.splitlines()
    assert Path(where) == paths.root / "figures" / "leaderboard.pdf"
    assert Path(where).read_bytes().startswith(b"%PDF")
    assert "p after Holm, 5 \\%" in caption
    assert run(["verify", str(paths.root)]) == 0


@pytest.mark.parametrize(("name", "begins"), [("x.svg", b"<?xml"), ("x.png", b"\x89PNG"), ("x.pdf", b"%PDF")])
def test_the_output_says_the_format(name: str, begins: bytes, tmp_path: Path):
    paths = write_sample(tmp_path / "demo")
    assert run(["figure", str(paths.root), "curves", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert not paths.figures.exists()


def test_mistakes_are_the_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    root = str(paths.root)
    for arguments, message in (
        (["roc", "-o", "x.gif"], "the name x.gif does not say which format"),
        (["pie"], "'pie' is not one of"),
        (["roc", "--cost", "flops"], "`cost` is for pareto"),
        (["curves", "-o", str(tmp_path / "no" / "x.pdf")], "cannot write the figure"),
    ):
        assert run(["figure", root, *arguments]) == 2
        assert message in capsys.readouterr().err
    paths.figures.symlink_to(tmp_path)
    assert run(["figure", root, "curves"]) == 2
    assert "is a link, and orch writes through none" in capsys.readouterr().err
    assert not (tmp_path / "curves.pdf").exists()


def test_damage_is_told_after_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    paths.table("epochs").write_bytes(b"PAR1 and nothing more")
    assert run(["figure", str(paths.root), "curves", "--format", "svg"]) == 4
    assert "epochs.parquet is damaged" in capsys.readouterr().err
    assert (paths.figures / "curves.svg").exists()
