"""Tries faults one after another, keeps count, and keeps the folder of a case that breaks the invariant."""

import json
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.chaos.faults import Fault
from tests.chaos.figures import NOTHING, Broken, Figures
from tests.chaos.lab import Labs
from tests.chaos.ledger import Ledger


class Walk:
    """One state folder: undisturbed runs, the seed and how far it has come, and the folders of broken cases."""

    def __init__(self, state: Path, ledger: Ledger, say: Callable[[str], None], seed: int | None = None) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._state, self._ledger, self._say = state, ledger, say
        self._labs = Labs(state)
        self._position = state / "position.json"
        kept = (
            json.loads(self._position.read_text()) if self._position.exists() else {"seed": 0, "steps": 0, "tried": {}}
        )
        self._seed: int = kept["seed"] if seed is None else seed
        self._steps: int = kept["steps"]
        self._tried: dict[str, int] = kept["tried"]
        """Fault to how often it was tried: those that go round their variants go on from there."""
        self.broken = 0

    def wander(self, faults: Sequence[Fault], minutes: float) -> None:
        """Choose faults at random until the time is over."""
        able = [fault for fault in faults if self._able(fault)]
        ends = time.monotonic() + 60 * minutes
        while time.monotonic() < ends:
            fault = Random(f"{self._seed}:{self._steps}").choices(able, [fault.weight for fault in able])[0]
            self.step(fault)

    def repeat(self, fault: Fault, times: int) -> None:
        if self._able(fault):
            for _ in range(times):
                self.step(fault)

    def step(self, fault: Fault) -> None:
        """One case."""
        name = f"case-{self._seed}-{self._steps}"
        number = self._tried.get(fault.name, 0)
        began = time.monotonic()
        lab = self._labs.lab(name, fault.grid, pace=fault.pace)
        figures, broken = NOTHING, 0
        try:
            figures = fault.run(lab, Random(f"{self._seed}:{self._steps}:{fault.name}"), number)
            verdict = _shown(figures)
            shutil.rmtree(lab.folder)
        except AssertionError as error:
            broken = 1
            kind = "BROKEN" if isinstance(error, Broken) else "FAILED"
            verdict = f"{kind} (seed {self._seed}, step {self._steps}, kept in {lab.folder}): {error}"
            (lab.folder / "broken.txt").write_text(f"{fault.name} {number}\n{traceback.format_exc()}")
        self.broken += broken
        self._say(f"{self._steps:5d} {fault.name} {number}: {verdict} [{time.monotonic() - began:.1f} s]")
        self._ledger.add(fault.name, fault.about, figures, broken=broken)
        self._tried[fault.name] = number + 1
        self._steps += 1
        position = {"seed": self._seed, "steps": self._steps, "tried": self._tried}
        temporary = self._position.with_suffix(".tmp")
        temporary.write_text(json.dumps(position))
        temporary.replace(self._position)

    def _able(self, fault: Fault) -> bool:
        probe = self._state / "probe"
        probe.mkdir(exist_ok=True)
        able = fault.needs(probe)
        if not able:
            self._say(f"      {fault.name}: left out, this machine or user cannot do it")
        return able


def _shown(figures: Figures) -> str:
    return f"holds; {figures.window} in the last window, {figures.in_flight} in flight, {figures.slowest:.1f} s"
