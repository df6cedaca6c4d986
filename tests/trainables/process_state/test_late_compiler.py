"""torch's compiler is imported by what compiles, and by nothing else; each time in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.orchestrator.processes import ROOT

_GRID: Final = """\
name: late
axes:
  dataset: [{name: digits, per_class: 20}]
  model: [mlp, {name: cnn, channels: [4]}]
  optimizer: [sgd, adam, adamw, rmsprop, lbfgs, muon]
  regularizer: [none]
protocol: {epochs: 1, deterministic: DETERMINISTIC}
seeds: 1
wandb: {mode: disabled}
"""
_SWEEP: Final = """
import json, sys
from orchestrator.cli import run

code = run(["sweep", "grid.yaml", "--engine", "inline", "-q"])
exec(sys.argv[1])
print(json.dumps([code, "torch" in sys.modules, "torch._dynamo" in sys.modules]))
"""
_STEPS: Final = """
import json, sys, torch
if sys.argv[1] == "late":
    from trainables.process_state.late_compiler import put_off_compiler
    put_off_compiler()

def trained(name):
    torch.manual_seed(0)
    net = torch.nn.Linear(3, 2)
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1)
    for grows in (True, False):
        torch.set_grad_enabled(grows)
        for _ in range(3):
            with torch.enable_grad():
                optimizer.zero_grad()
                loss = net(torch.ones(4, 3)).square().sum()
                loss.backward()
            optimizer.step()
            assert torch.is_grad_enabled() == grows
    optimizer.load_state_dict(optimizer.state_dict())
    torch.set_grad_enabled(True)
    return net.weight.flatten().tolist()

names = ("SGD", "Adam", "AdamW", "RMSprop", "Rprop", "NAdam", "RAdam", "Adagrad", "Adadelta", "Adamax", "ASGD")
without = {name: trained(name) for name in names}
loaded = "torch._dynamo" in sys.modules
import torch._dynamo
disabled = torch.optim.Optimizer.state_dict.__wrapped__
with_it = {name: trained(name) for name in names}
print(json.dumps([loaded, without == with_it, without, disabled.__dict__["__dynamo_disable"]._torchdynamo_disable]))
"""


def _run(folder: Path, script: str, argument: str) -> list[object]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, argument]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    found: list[object] = json.loads(ended.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("deterministic", ["false", "true"])
def test_trials_that_are_not_compiled_leave_the_compiler_alone(tmp_path: Path, deterministic: str) -> None:
    (tmp_path / "grid.yaml").write_text(_GRID.replace("DETERMINISTIC", deterministic))
    assert _run(tmp_path, _SWEEP, "") == [0, True, False]


def test_an_import_of_the_compiler_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text(_GRID.replace("DETERMINISTIC", "false"))
    assert _run(tmp_path, _SWEEP, "import torch; torch.use_deterministic_algorithms(False)") == [0, True, True]


def test_optimizers_step_to_the_same_weights_and_are_torchs_own_again_once_the_compiler_is_there(
    tmp_path: Path,
) -> None:
    late, as_torch_has_it = (_run(tmp_path, _STEPS, when) for when in ("late", "at once"))
    assert [late[0], as_torch_has_it[0]] == [False, True]
    assert late[1] is as_torch_has_it[1] is True
    assert late[2:] == as_torch_has_it[2:]
    assert late[3] is True
