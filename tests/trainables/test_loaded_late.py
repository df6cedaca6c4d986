"""Modules that are loaded while trials run already, such as the one that decodes images."""

import subprocess
import sys
from typing import Final

LOAD: Final = """
import importlib, pkgutil
import trainables
from trainables.process_state.watching import ProcessState
from trainables.training.warm_up import warm_up

warm_up()
state = ProcessState()
for module in pkgutil.walk_packages(trainables.__path__, "trainables."):
    importlib.import_module(module.name)
print(state.settle() or "nothing")
"""


def test_no_module_changes_a_setting_of_the_process_that_is_put_back_after_the_trial_which_loads_it() -> None:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nothing"
