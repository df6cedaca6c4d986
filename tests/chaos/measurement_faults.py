"""Nets that are trained and measured by a sweep whose driver is killed at any moment. No net that is finished is trained
again; no measurement is lost, or made twice, and what it finds out is what it finds out undisturbed.
"""

import time
from random import Random

import pandas as pd

from tests.chaos.figures import Figures, require
from tests.chaos.forked import wait_until
from tests.chaos.invariant import check_end, check_struck, check_whole, seconds_to_leave
from tests.chaos.lab import SGD, Lab, findings, grid
from tests.chaos.ray_faults import SLOTS, begin, until
from tests.chaos.variant_faults import check_parents

MEASURED = (
    grid((0, 1, 2), (SGD,)).replace("hidden: [16]}]", "hidden: [16]}, cnn]")
    + "measure: [corrupt, {name: attack, pictures: 100}]\n"
)
"""Six nets, and twelve measurements."""
LONGEST = 1.0
"""Seconds that one of them takes, about."""


def kill_driver(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver that trains nets and measures them, inline engine, at any moment; the next goes on."""
    sweep, lines = lab.begin(), _until_lines(lab, random)
    wait_until(lambda: len(lab.witness()) >= lines, sweep)
    time.sleep(random.uniform(0, LONGEST))
    sweep.kill()
    sweep.wait()
    return _goes_on(lab)


def kill_driver_of_ray(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver of a Ray that trains nets and measures them, at any moment; the next goes on."""
    sweep, lines = begin(lab), _until_lines(lab, random)
    until(sweep, lambda: len(lab.witness()) >= lines)
    time.sleep(random.uniform(0, LONGEST))
    family = sweep.family()
    sweep.process.kill()
    sweep.wait()
    seconds = seconds_to_leave(family)
    whole = _goes_on(lab, in_flight=SLOTS)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def _until_lines(lab: Lab, random: Random) -> int:
    """Of the witness: from a first that begins to a last that ends."""
    return 1 + random.randrange(2 * len(lab.reference.planned) - 1)


def _goes_on(lab: Lab, in_flight: int = 1) -> Figures:
    before = check_struck(lab)
    check_end(lab.sweep(), {0}, "tables in")
    figures = check_whole(lab, before, in_flight=in_flight)
    check_parents(lab)
    _check_measured(lab)
    return figures


def _check_measured(lab: Lab) -> None:
    """Each net has each measurement once; their findings are those of the undisturbed run."""
    measurements = pd.read_parquet(lab.paths.table("measurements"))
    trials = pd.read_parquet(lab.paths.table("trials"))
    kinds = measurements["measurement_config"].nunique()
    require(kinds == 2, f"{kinds} kinds of measurements are left of 2")
    require(set(measurements["parent_id"]) == set(trials["trial_id"]), "a net was not measured")
    require(len(measurements) == kinds * len(trials), f"{len(measurements)} measurements of {len(trials)} nets")
    twice = measurements.duplicated(["parent_id", "measurement_config"])
    require(not twice.any(), f"measured twice: {list(measurements.loc[twice, 'trial_id'])}")
    require(set(measurements["status"]) == {"completed"}, f"ended as {set(measurements['status'])}")
    found = findings(lab.paths)
    require(found.keys() == lab.reference.findings.keys(), f"findings are in {sorted(found)}")
    differing = [name for name, rows in found.items() if not rows.equals(lab.reference.findings[name])]
    require(not differing, f"other findings than of the undisturbed run: {differing}")
