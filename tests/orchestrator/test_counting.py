"""Operations are counted in a process of their own, where the driver has no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

from orchestrator.counting import counted
from trainables.dataset import DataInfo
from trainables.models.cnn import Cnn
from trainables.models.vit import Vit

ROOT = Path(__file__).parents[2]
BROKEN = """
from trainables.model import Model

class Broken(Model):
    name = "broken"

    def build(self, data, outputs):
        print("not an answer")
        raise ZeroDivisionError("no layers")
"""
SCRIPT = """
import json, sys
import psutil
from broken import Broken
from orchestrator.counting import FlopCounter
from orchestrator.errors import InfrastructureLost
from trainables.dataset import DataInfo
from trainables.models.cnn import Cnn
from trainables.models.vit import Vit
data = DataInfo("squares", "image", (1, 8, 8), "classification", ("a", "b", "c"))
cnn, vit = Cnn(channels=(4,), hidden=(8,)), Vit(depth=1, width=16)
with FlopCounter() as counter:
    counts = [counter.count(model, data) for model in (cnn, vit)]
    try:
        counter.count(Broken(), data)
    except RuntimeError as error:
        said = str(error)
    again = counter.count(cnn, data)
    child, = psutil.Process().children()
    child.kill()
    child.wait()
    try:
        counter.count(cnn, data)
    except InfrastructureLost as error:
        lost = str(error)
left = len(psutil.Process().children(recursive=True))
print(json.dumps([counts, said, again, lost, left, "torch" in sys.modules]))
"""


def test_the_other_process_counts_what_this_one_would_and_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    found = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))}
    ended = subprocess.run([sys.executable, "-c", SCRIPT], env=found, capture_output=True, text=True, check=True)
    counts, said, again, lost, left, has_torch = json.loads(ended.stdout)
    data = DataInfo("squares", "image", (1, 8, 8), "classification", ("a", "b", "c"))
    expected = [counted(model, data) for model in (Cnn(channels=(4,), hidden=(8,)), Vit(depth=1, width=16))]
    assert counts == expected
    assert min(expected) > 0
    assert said == "broken cannot be built: ZeroDivisionError('no layers')"
    assert again == expected[0]
    assert lost.startswith("the process that counts the operations of cnn has died")
    assert (left, has_torch) == (0, False)
