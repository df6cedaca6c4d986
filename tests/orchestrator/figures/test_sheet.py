"""Files of figures: their style, size and bytes, whatever names stand in them."""

import re
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest

from orchestrator import load
from orchestrator.figures.draw import draw
from orchestrator.figures.labels import cut, distinct, shown
from orchestrator.figures.request import FORMS, WIDTHS, Form
from orchestrator.figures.sheet import Sheet
from orchestrator.report.latex_text import escaped
from orchestrator.store.paths import ResultsPaths
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell, write_sample

HOSTILE = ("$x_1$ \\frac", "a{b}^~#%&", "\x1b[31m\u202eleft", "中文 😀", "<script>", "tab\tnewline\n")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> ResultsPaths:
    return write_sample(tmp_path_factory.mktemp("results") / "demo")


def sheet_of(paths: ResultsPaths, kind: str = "leaderboard", **options: str | int) -> Sheet:
    return draw(paths, kind, options)[0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["leaderboard", "heatmap", "roc"])
def test_equal_results_make_equal_bytes(form: Form, kind: str, paths: ResultsPaths):
    first = sheet_of(paths, kind).rendered(form)
    with mpl.rc_context({"font.size": 20, "pdf.fonttype": 3, "svg.hashsalt": None, "lines.linewidth": 9}):
        assert sheet_of(paths, kind).rendered(form) == first, "a user's own settings are none of the figure's"
    assert b"CreationDate" not in first
    assert b"<dc:date>" not in first
    assert len(first) < 300_000


def test_a_figure_is_drawn_without_what_trains(paths: ResultsPaths):
    script = (
        "import sys; from orchestrator.cli import run; code = run(sys.argv[1:]);"
        "sys.exit(code or len({'torch', 'ray', 'wandb', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    arguments = ["figure", str(paths.root), "leaderboard", "--format", "svg"]
    subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, check=True)


def test_fonts_are_embedded_as_truetype(paths: ResultsPaths):
    content = sheet_of(paths).rendered("pdf")
    assert b"/FontFile2" in content
    assert b"/CIDFontType2" in content
    assert b"/Type3" not in content


@pytest.mark.parametrize("width", WIDTHS)
def test_a_figure_is_as_wide_as_asked(width: str, paths: ResultsPaths):
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", sheet_of(paths, width=width).rendered("pdf"))
    assert box is not None
    assert float(box[1]) == pytest.approx(72 * WIDTHS[width])


def test_a_notebook_gets_the_figure_and_saves_it_in_its_style(paths: ResultsPaths, tmp_path: Path):
    found = load(paths.root).figure("leaderboard", width="column")
    assert isinstance(found, mpl.figure.Figure)
    assert found.caption.startswith("Leaderboard of demo")
    found.savefig(tmp_path / "mine.pdf")
    assert (tmp_path / "mine.pdf").read_bytes() == sheet_of(paths, width="column").rendered("pdf")


@pytest.mark.parametrize("kind", ["leaderboard", "heatmap", "curves", "pareto", "confusion"])
def test_names_stay_text(kind: str, tmp_path: Path):
    found = write(tmp_path / "evil", {Cell(model=name): [0.9, 0.8] for name in HOSTILE})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of signs that its font lacks
        sheet = sheet_of(found, kind)
        sheet.rendered("pdf")
    if kind == "leaderboard":
        names = {label.get_text() for label in sheet.axes[0].get_yticklabels()}
        assert names == {
            "$x_1$ \\frac",
            "a{b}^~#%&",
            "\\x1b[31m\\u202eleft",
            "\\u4e2d\\u6587 \\U0001f600" if "😀" not in shown("😀") else "\\u4e2d\\u6587 😀",
            "<script>",
            "tab\\tnewline\\n",
        }


def test_a_long_name_is_cut_in_the_middle_unless_two_become_one():
    assert cut("abcdefghij", 5) == "ab…ij"
    same = ["resnet depth=18 width=64", "resnet depth=34 width=64"]
    assert distinct(same, 12) == same
    assert distinct(["resnet depth=18", "mlp"], 8) == ["resn…=18", "mlp"]


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("5 % of a_b & #1 $", r"5 \% of a\_b \& \#1 \$"),
        ("{~^\\}", r"\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}"),
        ("--lr, ,,", "-{}-lr, ,{},"),
        ("[x]*", "{[}x]{*}"),
        ('"`|<>', r"''\`{}\textbar{}\textless{}\textgreater{}"),
        ("\x07\u202e\n", r"\textbackslash{}x07\textbackslash{}u202e\textbackslash{}n"),
        ("é ß ż", "é ß ż"),
        ("αΩ ± 中", r"\ensuremath{\alpha}\ensuremath{\Omega} \ensuremath{\pm} [U+4E2D]"),
    ],
)
def test_text_for_latex_commands_nothing(text: str, latex: str):
    assert escaped(text) == latex
