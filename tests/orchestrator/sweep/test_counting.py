"""Operations are counted in a process of their own, where the driver has no torch; whatever a model does as it is built."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.sweep.counting import counted
from trainables.dataset import DataInfo
from trainables.models.cnn import Cnn
from trainables.models.vit import Vit

ROOT = Path(__file__).parents[3]
HOSTILE = """
import os, signal, sys, time
import psutil
from trainables.interfaces import Model

class Hostile(Model):
    name = "hostile"
    deed: str

    def build(self, data, outputs):
        import torch
        print("not an answer", flush=True)
        if self.deed == "raise":
            raise ZeroDivisionError("no layers")
        if self.deed == "surrogate":
            raise ValueError("half \\ud800" * 100_000)
        if self.deed == "leave":
            sys.exit("bye")
        if self.deed == "exit":
            os._exit(7)
        if self.deed == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.deed == "memory":
            torch.empty(2**50, dtype=torch.uint8)
        if self.deed == "much":
            bytearray(int(0.9 * psutil.virtual_memory().available))
        if self.deed == "hang":
            time.sleep(600)
        if self.deed == "deaf":
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            if os.fork():
                os._exit(0)
            time.sleep(600)
        if self.deed == "fork":
            os.fork()
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, outputs))
"""
SCRIPT = """
import json, sys
import psutil
import hostile
from orchestrator.sweep import counting
from trainables.dataset import DataInfo
from trainables.models.cnn import Cnn
from trainables.models.vit import Vit
data = DataInfo("squares", "image", (1, 8, 8), "classification", ("a", "b", "c"))
cnn, vit = Cnn(channels=(4,), hidden=(8,)), Vit(depth=1, width=16)
notes, counts = [], {}
with counting.FlopCounter(notes.append) as counter:
    counts["cnn"] = counter.count(cnn, data)
    for deed in sys.argv[1:]:
        counting.COUNT_SECONDS = 2.0 if deed in ("hang", "deaf") else 60.0
        counts[deed] = counter.count(hostile.Hostile(deed=deed), data)
        counter._unknown.clear()  # each deed is a model of its own
    counting.COUNT_SECONDS = 60.0
    counts["vit"] = counter.count(vit, data)
left = len(psutil.Process().children(recursive=True))
print(json.dumps([notes, counts, left, "torch" in sys.modules]))
"""


REASONS = {
    "raise": "ZeroDivisionError: no layers",
    "surrogate": r"ValueError: half \ud800half",
    "leave": "SystemExit: bye",
    "memory": "RuntimeError: ",
    "much": "MemoryError",
    "exit": "its process ended with code 7",
    "segfault": "SIGSEGV",
    "hang": "it took more than 2 s",
    "deaf": "its process ended with code 0",
}
"""What is said of each deed; `fork` is answered."""
SOME = ("raise", "surrogate", "leave", "fork", "exit")


@pytest.mark.parametrize("deeds", [SOME, pytest.param(("fork", *REASONS), marks=pytest.mark.slow)], ids=["some", "all"])
def test_the_other_process_counts_what_this_one_would_whatever_a_model_does_between(
    deeds: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "hostile.py").write_text(HOSTILE)
    found = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *deeds], env=found, capture_output=True, text=True, check=True
    )
    notes, counts, left, has_torch = json.loads(ended.stdout)
    data = DataInfo("squares", "image", (1, 8, 8), "classification", ("a", "b", "c"))
    cnn, vit = (counted(model, data) for model in (Cnn(channels=(4,), hidden=(8,)), Vit(depth=1, width=16)))
    assert (counts.pop("cnn"), counts.pop("vit")) == (cnn, vit)
    assert counts.pop("fork") == 2 * 64 * 3, "a copy of the process answers nothing"
    assert set(counts.values()) == {None}
    reasons = [REASONS[deed] for deed in deeds if deed != "fork"]
    assert len(notes) == len(reasons)
    for note, reason in zip(notes, reasons, strict=True):
        assert note.startswith("warning: the operations of hostile cannot be counted")
        assert reason in note
        assert len(note) < 2000
    assert (left, has_torch) == (0, False)
    assert "not an answer" not in ended.stdout + ended.stderr
