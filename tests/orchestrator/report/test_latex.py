"""The report as LaTeX: it is read by a parser of a few rules, and by TeX itself where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.cli import run
from orchestrator.report import tables as grids
from orchestrator.report.contents import read_page
from orchestrator.report.latex import latex
from orchestrator.report.latex_text import escaped
from orchestrator.text import one_line
from tests.orchestrator.evidence.stated import write
from tests.orchestrator.sample import Cell, write_regression, write_running, write_sample

WAVE = [0.01 * (seed % 5) for seed in range(10)]
CLAIM = "better: {model: cnn}, than: {model: mlp}, on: test_accuracy"
HOSTILE = (
    *("a_b & c%d $e$ #f {g} ~h ^i \\j", "\\input{/etc/passwd}", "}\\end{document}", "[2ex]", "*", "--- '' ,,"),
    *("\x07\x1b[31m\u202eright", "tab\tline\nbreak", "é ß Ž", "αβΓ ± × − ≥ →°", "中文 😀 א", '"quoted" `so` |<>|'),
)

DEGREE = "\\ensuremath{^\\circ}"
"""A formula of ours with a sign that commands."""
NO_PLACE = escaped(grids.NO_PLACE)
TOKEN = re.compile(r"\\begin\{(\w+)\}|\\end\{(\w+)\}|\\[a-zA-Z]+|\\.|[{}&%#$_^~\n]|[^\\{}&%#$_^~\n]+", re.S)


def tables_of(text: str) -> list[list[list[str]]]:
    """Rows and fields of each tabular. Fails where braces or environments do not match, and for signs that command."""
    tables: list[list[list[str]]] = []
    environments: list[str] = []
    depth, rows, field = 0, [[]], ""
    body = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("%"))
    body = body.replace(DEGREE, "")
    assert "".join(match[0] for match in TOKEN.finditer(body)) == body
    for match in TOKEN.finditer(body):
        token = match[0]
        if match[1]:
            environments.append(match[1])
            rows, field = [[]], ""
        elif match[2]:
            assert environments.pop() == match[2]
            assert depth == 0
            if match[2] == "tabular":
                tables.append(rows[:-1])
        elif token in "{}":
            depth += 1 if token == "{" else -1
            assert depth >= 0
            field += token
        elif token == "&":
            rows[-1].append(field.strip())
            field = ""
        elif token == "\\\\":
            rows[-1].append(field.strip())
            rows.append([])
            field = ""
        elif token in {"\\toprule", "\\midrule", "\\bottomrule"}:
            field = ""
        else:
            assert token not in set("%#$_^~"), f"{token!r} commands"
            field += token
    assert (environments, depth) == ([], 0)
    return tables


def test_the_leaderboard_has_means_intervals_ties_and_p(tmp_path: Path):
    high = [0.85 + wave + 0.001 * (seed % 3) for seed, wave in enumerate(WAVE)]
    near = [value - 0.0001 * (-1) ** seed for seed, value in enumerate(high)]
    cells = {Cell(model="mlp"): [0.8 + wave for wave in WAVE], Cell(model="cnn"): high, Cell(model="vit"): near}
    page = read_page(write(tmp_path / "demo", cells, CLAIM))
    text = latex(page)
    board, claims = tables_of(text)
    alignment = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert board[0] == ["place", "model", "test accuracy", "n", "p (Holm)"]
    assert alignment is not None
    assert alignment[1] == "rllrr"
    assert [row[0] for row in board[1:]] == ["=1", "=1", "3", NO_PLACE]
    assert board[-1][1:] == ["always cat", "0.3333", "0", "--"], "no trial: a third of the examples are cats"
    first = page.boards[0].grid.rows[0][1]
    assert board[1][2] == f"\\textbf{{{first[0]:.4f}}} {{[}}{first[1]:.4f}, {first[2]:.4f}]"
    assert "textbf" not in board[3][2]
    assert board[3][3:] == ["10", "\\ensuremath{<}0.001"]
    assert "mean over n seeds with its 95 \\% interval" in text
    assert escaped(page.boards[0].summary) in text
    assert claims[1][1:3] == ["as said", "supported"]
    assert "p = " in claims[1][3]
    assert claims[1][3].startswith("test\\_accuracy: ")


def test_names_stay_text(tmp_path: Path):
    cells = {Cell(model=name, dataset="a_b%"): [0.9 - place / 100] * 2 for place, name in enumerate(HOSTILE)}
    (board,) = tables_of(latex(read_page(write(tmp_path / "demo", cells))))
    assert [row[1] for row in board[1:] if row[0] != NO_PLACE] == [
        escaped(name).replace(DEGREE, "") for name in HOSTILE
    ]
    assert all(len(row) == len(board[1]) for row in board[1:])
    for name in HOSTILE[:4]:
        assert one_line(name).replace("\\", "") == re.sub(
            r"\\(?:textbackslash|textasciitilde|textasciicircum)\{\}|\{(\[)\}|\\([&%$#_{}])",
            lambda found: found[1] or found[2] or {"\\textasciit": "~", "\\textasciic": "^"}.get(found[0][:11], ""),
            escaped(name),
        )


def test_what_has_no_score_is_listed_without_one(tmp_path: Path):
    text = latex(read_page(write_sample(tmp_path / "demo")))
    (board,) = tables_of(text)
    assert board[-2][-3:] == ["--", "0", "--"]
    assert "2 have trials that diverged or failed" in text
    (losses,) = tables_of(latex(read_page(write_regression(tmp_path / "numbers"))))
    assert losses[1][2] == "\\textbf{0.2500}", "one seed has no interval"


def test_while_trials_run_nothing_is_told_apart(tmp_path: Path):
    paths, journal = write_running(tmp_path / "demo")
    journal.close()
    text = latex(read_page(paths))
    assert "scores are on validation, and cells are not compared" in text
    assert "textbf" not in text
    assert "% 3 of 4 trials have still to run" in text


def test_long_boards_list_the_best(tmp_path: Path):
    cells = {Cell(model=f"mlp {size}"): [0.5 + size / 200] for size in range(60)}
    text = latex(read_page(write(tmp_path / "demo", cells)))
    assert len(tables_of(text)[0]) == 1 + 50 + 1, "titles, the best, and what no training gives"
    assert "The best 50 of 60 cells are listed." in text


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    paths = write_sample(tmp_path / "demo")
    assert run(["report", str(paths.root), "--format", "latex"]) == 0
    assert capsys.readouterr().out == f"{paths.root / 'report.tex'}\n"
    assert tables_of((paths.root / "report.tex").read_text(encoding="utf-8"))
    assert run(["report", str(paths.root), "--format", "latex"]) == 0
    assert run(["verify", str(paths.root)]) == 0


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no TeX")
def test_tex_sets_it(tmp_path: Path):
    names = ("mlp", "cnn", *HOSTILE)
    cells = {Cell(model=name, dataset="mnist"): [0.9 - place / 100] * 8 for place, name in enumerate(names)}
    paths = write(tmp_path / "demo", cells, CLAIM, text=r'"5 % of a_b \\input{x} is $y$"')
    assert len(tables_of(latex(read_page(paths)))) == 2
    (tmp_path / "tables.tex").write_text(latex(read_page(paths)), encoding="utf-8")
    document = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{tables}\\end{document}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-draftmode", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "paper.log").read_text(errors="replace")
    assert "[1" in done.stdout, "a page is set"
