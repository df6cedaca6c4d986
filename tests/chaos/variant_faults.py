"""Nets that are deployed by a sweep on Ray whose processes are killed at any moment: before the nets are trained, while
something is made of them, and near the end. No net that is finished is trained again; no variant is lost, or made twice.
"""

import time
from dataclasses import dataclass
from random import Random

from orchestrator.store.reading import every_trial
from tests.chaos.figures import Figures, require
from tests.chaos.invariant import check_end, check_struck, check_whole, finished, seconds_to_leave
from tests.chaos.lab import SGD, Lab, grid
from tests.chaos.ray_faults import SLOTS, RaySweep, begin, check_tried_again, goes_on, kill_one, until

VARIANTS = grid((0, 1, 2), (SGD,)).replace(
    "seeds:",
    "  deployment: [int8, {name: prune, amount: 0.9}, {name: distil, student: {name: mlp, hidden: 4}}, export]\nseeds:",
)
"""Three nets, and of each one in 8 bits, one pruned, a student with its teacher, one without, and a file."""
MANY_VARIANTS = VARIANTS.replace("[{name: mlp, hidden: [16]}]", "[{name: mlp, hidden: [16]}, cnn, lstm, gru]")
"""Of four models: 12 nets, and 60 that are made of them."""
WORKERS, DRIVERS = 16, 4
"""That are killed in one case."""
BETWEEN = 4
"""Trials that end between two workers' deaths."""
EACH = 12
"""Trials that end between two drivers' deaths, on average."""


def kill_driver(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of the driver of a Ray that trains nets and makes variants of them, at any moment."""
    sweep = _somewhere(lab, random)
    family = sweep.family()
    sweep.process.kill()
    sweep.wait()
    seconds = seconds_to_leave(family)
    whole = goes_on(lab, in_flight=SLOTS)
    check_parents(lab)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def kill_worker(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of a slot's worker that trains a net or makes something of it: that is tried again, all else goes on."""
    sweep = _somewhere(lab, random)
    before = finished(lab)
    kill_one(random, sweep.family("ray::Slot"))
    check_end(sweep.wait(), {0}, "tables in")
    seconds = seconds_to_leave(sweep.family())
    check_tried_again(lab, 1)
    whole = check_whole(lab, before)
    check_parents(lab)
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=seconds)


def kill_many_workers(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of 16 workers, one after the other, of one sweep of 12 nets and the 60 that are made of them."""
    sweep, strikes = begin(lab), list[Strike]()
    for strike in range(WORKERS):
        _until_ended(sweep, BETWEEN * strike)
        until(sweep, lambda: bool(sweep.family("ray::Slot")))
        time.sleep(random.uniform(0, 0.5))
        strikes.append(Strike.now(lab, finished(lab)))
        kill_one(random, sweep.family("ray::Slot"))
    ended = sweep.wait()
    check_end(ended, {0, 1}, "tables in")
    seconds = seconds_to_leave(sweep.family())
    check_tried_again(lab, WORKERS)
    given_up = _given_up(lab)
    require(bool(given_up) == (ended.code == 1), f"the sweep ended with {ended.code}, and gave up {given_up}")
    if given_up:  # which have met three of the deaths: they run again because they are asked for
        check_end(lab.sweep("--retry"), {0}, "tables in")
    return _check_after(lab, strikes, given_up=given_up, in_flight=WORKERS, slowest=seconds)


def kill_many_drivers(lab: Lab, random: Random, number: int) -> Figures:
    """kill -9 of four drivers, one after the other, each of which goes on with 12 nets and the 60 that are made of them."""
    strikes, slowest = list[Strike](), 0.0
    for strike in range(DRIVERS):
        before_it = len(lab.witness())
        sweep = begin(lab)
        _until_ended(sweep, strike * EACH + random.randrange(EACH))
        until(sweep, lambda before_it=before_it: len(lab.witness()) > before_it)  # type: ignore[misc]
        family = sweep.family()
        sweep.process.kill()
        sweep.wait()
        slowest = max(slowest, seconds_to_leave(family))
        strikes.append(Strike.now(lab, check_struck(lab)))
    check_end(lab.sweep(), {0}, "tables in")
    return _check_after(lab, strikes, in_flight=SLOTS * DRIVERS, slowest=slowest)


@dataclass(frozen=True, slots=True)
class Strike:
    """What was there when one of several processes was killed."""

    finished: dict[str, int]
    """As `invariant.finished` has it."""
    witnessed: int
    """Lines of the witness."""

    @classmethod
    def now(cls, lab: Lab, done: dict[str, int]) -> "Strike":
        return cls(done, len(lab.witness()))


def _given_up(lab: Lab) -> frozenset[str]:
    trials = every_trial(lab.paths).to_pandas()
    return frozenset(trials.loc[trials["status"] == "failed", "trial_id"])


def _check_after(
    lab: Lab, strikes: list[Strike], *, in_flight: int, slowest: float, given_up: frozenset[str] = frozenset()
) -> Figures:
    """What a journal had as finished at any strike has not begun after it, and has as many attempts as then, but for what
    was given up.
    """
    whole = check_whole(lab, {}, in_flight=in_flight)
    check_parents(lab)
    last, witness = finished(lab), lab.witness()
    for strike in strikes:
        done = set(strike.finished) - given_up
        begun = {trial_id for what, trial_id, _ in witness[strike.witnessed :] if what == "began"}
        again = {trial_id for trial_id in done if last[trial_id] != strike.finished[trial_id]}
        require(not (again | begun & done), f"finished trials ran again: {again | begun & done}")
    return Figures(window=whole.window, in_flight=whole.in_flight, slowest=slowest)


def _until_ended(sweep: RaySweep, count: int) -> None:
    """As many trials have ended, over all that have swept this folder."""
    until(sweep, lambda: sum(what == "ended" for what, _, _ in sweep.lab.witness()) >= count)


def _somewhere(lab: Lab, random: Random) -> RaySweep:
    """A sweep of which some trials have ended: from none of them, which then has begun, to all but one."""
    sweep = begin(lab)
    after = 1 + random.randrange(2 * len(lab.reference.planned) - 2)
    until(sweep, lambda: len(lab.witness()) >= after)
    time.sleep(random.uniform(0, 0.2))
    return sweep


def check_parents(lab: Lab) -> None:
    """Every variant and measurement has been begun after its net had ended."""
    trials = every_trial(lab.paths).to_pandas()
    parents = trials.dropna(subset="parent_id").set_index("trial_id")["parent_id"].to_dict()
    require(set(parents.values()) == set(trials.loc[trials["parent_id"].isna(), "trial_id"]), "a net has none")
    ended = set[str]()
    for what, trial_id, _ in lab.witness():
        if what == "ended":
            ended.add(trial_id)
        else:
            require(
                parents.get(trial_id, trial_id) in ended | {trial_id}, f"{trial_id} was begun before its net was there"
            )
