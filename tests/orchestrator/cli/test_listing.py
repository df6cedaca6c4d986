"""Tables of commands: nothing that tells rows apart is cut, whatever the width; a program reads tabs."""

import io
import os
import pty
import struct
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pyarrow as pa
import pytest

from orchestrator.cli.terminal.listing import print_listing
from tests.orchestrator.sample import CNN_SGD, write_sample

LONG = "image_folder(folds=5,groups=elpv/modules.csv,path=elpv/folder,size=48-48)"


def table(count: int = 4, **columns: list[object]) -> pa.Table:
    rows: dict[str, list[object]] = {
        "trial_id": [f"{number:016x}" for number in range(count)],
        "dataset": [LONG] * count,
        "model": [f"pretrained:efficientnet(depth={number})" for number in range(count)],
        "optimizer": [("adam(lr=0.1)", "sgd(lr=0.1,momentum=0.9)")[number % 2] for number in range(count)],
        "regularizer": ["none"] * count,
        "seed": list(range(count)),
        "status": ["completed"] * count,
        "val_accuracy": [0.9 - number / 100 for number in range(count)],
        "test_accuracy": [0.8 - number / 100 for number in range(count)],
        "test_f1_macro": [0.5] * count,
        "total_seconds": [12.0] * count,
    }
    return pa.table(rows | columns)


def printed(rows: pa.Table, width: int, *, chosen: bool = False) -> list[str]:
    file = io.StringIO()
    print_listing(rows, chosen=chosen, file=file, width=width)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_what_all_rows_have_is_said_above_and_the_rest_is_whole(width: int) -> None:
    lines = printed(table(), width)
    assert "".join(lines).startswith(f"all 4: dataset {LONG}, regularizer none, status completed")
    below = "\n".join(lines)
    for number in range(4):
        assert f" {number:016x} " in below
        assert f"{0.9 - number / 100:.4f}" in below and f"{0.8 - number / 100:.4f}" in below
        assert f"depth={number}" in below
    body = [line for line in lines if line.startswith(" 00000")]
    assert max(map(len, body)) <= width


def test_a_baseline_has_no_levels_and_what_was_not_tuned_needs_no_column() -> None:
    tuned = pa.array([None] * 4, pa.string())
    lines = printed(table(regularizer=["none", "none", "none", None], tuned=tuned), 200)
    assert "regularizer none" in lines[0] and "tuned" not in "".join(lines)
    assert "tuned" in "".join(printed(table(tuned=['{"optimizer.lr": 0.1}', None, None, None]), 200))
    assert "reason" in "".join(printed(table(reason=["lost", "lost", "lost", None]), 200)), "that tells rows apart"


def test_levels_are_shortened_where_there_is_no_room_and_that_is_said() -> None:
    narrow, wide = printed(table(), 80), printed(table(), 200)
    assert any(line.startswith("shortened: model, optimizer") for line in narrow)
    assert not any("shortened" in line for line in wide)
    assert next(line.split()[1:3] for line in narrow if line.startswith(" 00000")) == ["depth=0", "adam"]
    assert "pretrained:efficientnet(depth=0)  adam(lr=0.1)" in "\n".join(wide)


def test_what_had_no_room_is_named_and_scores_that_choose_stay() -> None:
    rows = table(dataset=[f"d{number}" for number in range(4)], regularizer=["dropout+weight_decay", "b", "c", "d"])
    lines = printed(rows, 80)
    assert any(line.startswith("no room for total_seconds, test_f1_macro; --columns") for line in lines)
    body = [line for line in lines if line.startswith(" 00000")]
    assert all(f"{0.9 - number / 100:.4f}" in line for number, line in enumerate(body))


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (20, ["dropout+weight_decay"]),
        (19, ["dropout+", "weight_decay"]),
        (12, ["dropout+", "weight_decay"]),
        (11, ["dropout+", "weight_", "decay"]),
    ],
)
def test_what_is_too_long_is_broken_between_its_parts(width: int, lines: list[str]) -> None:
    names = ["dropout+weight_decay", "dropout", "none", "l1"]
    rows = table(regularizer=names).select(["trial_id", "regularizer"])
    found = [line[18:].strip() for line in printed(rows, 16 + width + 4, chosen=True)]
    start = found.index(lines[0])
    assert found[start : start + len(lines)] == lines


@pytest.mark.parametrize("width", [30, 50])
def test_an_id_is_whole_however_narrow_it_is(width: int) -> None:
    lines = printed(table(), width)
    assert sum(f" {number:016x} " in line for line in lines for number in range(4)) == 4


def test_columns_that_were_asked_for_are_all_there() -> None:
    lines = "\n".join(printed(table().select(["status", "total_seconds", "dataset"]), 60, chosen=True))
    assert lines.count("completed") == 4 and "all 4" not in lines and "12.00" in lines
    assert lines.count("image_folder(") == 4 and lines.count("48-48)") == 4, "what is too long goes on in the next line"


def test_of_one_row_nothing_is_left_out() -> None:
    lines = "\n".join(printed(table(1), 250))
    assert LONG in lines and "all 1" not in lines


def test_a_program_reads_tabs_and_no_padding(capsys: pytest.CaptureFixture[str]) -> None:
    print_listing(table(2, model=["a\tb\nc", "d"]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == table().column_names
    assert [len(line.split("\t")) for line in lines] == [11, 11, 11]
    assert lines[1].split("\t")[:3] == ["0" * 16, LONG, "a\\tb\\nc"]
    assert not any("  " in line or line.endswith(" ") for line in lines)


def test_on_a_terminal_of_80_columns(tmp_path: Path) -> None:
    root = write_sample(tmp_path / "demo").root
    child, terminal = pty.fork()
    if not child:
        os.environ.pop("COLUMNS", None)
        os.execv(sys.executable, [sys.executable, "-m", "orchestrator", "results", str(root)])
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    output = b""
    while part := _read(terminal):
        output += part
    assert os.waitpid(child, 0)[1] == 0
    text = output.decode()
    assert "all 12: dataset digits" in text
    assert CNN_SGD.trial_id(0) in text and "out_of_memory" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the child has gone
        return b""
