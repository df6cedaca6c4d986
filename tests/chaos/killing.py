"""kill -9 of a sweep at a random moment."""

import time
from collections import Counter
from random import Random

from tests.chaos.figures import Figures
from tests.chaos.forked import wait_until
from tests.chaos.invariant import check_end, check_struck, check_whole
from tests.chaos.lab import Lab

SPAN = 1.2
"""Seconds in which a small sweep, undisturbed, ends."""


def kill_driver(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver, at any moment from its first statement to its last; inline engine."""
    return _kill_once(lab, random.uniform(0, SPAN))


def kill_driver_paced(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver, inline engine, with trials of 0.2 s: most kills hit one."""
    return _kill_once(lab, random.uniform(0, SPAN + 1.6))


def kill_after_kill(lab: Lab, random: Random, number: int) -> Figures:
    """Killed again and again, until nothing is left to run. A trial that is cut off each time still gets its turn."""
    figures, before, ended = Figures(times=0), dict[str, int](), Counter[str]()
    for _ in range(4):
        sweep = lab.begin()
        moment = random.uniform(SPAN / 4, SPAN)
        wait_until(lambda: _passed(sweep.began, moment), sweep)  # noqa: B023 - called in this round only
        sweep.kill()
        sweep.wait()
        now = check_struck(lab)
        for trial_id, attempts in before.items():
            assert now.get(trial_id) == attempts, f"{trial_id} was finished and is not any more"
        ran = _ends(lab)
        again = [trial_id for trial_id in before if ran[trial_id] != ended[trial_id]]
        assert not again, f"finished trials ran again: {again}"
        before, ended = now, ran
        figures += Figures()
    check_end(lab.sweep(), {0}, "tables in")
    # what an earlier kill caught in its last commit window has ended twice, and was finished by the second time
    once = {trial_id: attempts for trial_id, attempts in before.items() if ended[trial_id] == 1}
    whole = check_whole(lab, once, in_flight=figures.times)
    again = [trial_id for trial_id in before if _ends(lab)[trial_id] != ended[trial_id]]
    assert not again, f"finished trials ran again: {again}"
    return Figures(figures.times, window=whole.window, in_flight=whole.in_flight)


def _kill_once(lab: Lab, moment: float) -> Figures:
    sweep = lab.begin()
    wait_until(lambda: _passed(sweep.began, moment), sweep)
    sweep.kill()
    sweep.wait()
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    return check_whole(lab, before)


def _ends(lab: Lab) -> Counter[str]:
    """How often each trial has come to its end, committed or not."""
    return Counter(trial_id for what, trial_id, _ in lab.witness() if what == "ended")


def _passed(began: float, seconds: float) -> bool:
    return time.monotonic() - began >= seconds
