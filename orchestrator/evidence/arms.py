"""What else differs between the arms of a claim: whatever its verdict could be about in place of what is compared.

`orch plan` asks this of trials that are planned, `orch claims` of trials that have run; a fact that is not known yet, or
that a table of an older orch lacks, is None.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from orchestrator.grid.claims import Claim
from orchestrator.grid.fair import CONVERGED, EQUAL
from orchestrator.grid.tuning import POINTS
from orchestrator.plan.tuned import shown_text
from orchestrator.text import counted

_SAME_PRIOR: Final = 0.01
"""Total variation distance up to which two test splits have the same shares of classes: splits that are drawn differ so."""
_CHOICES: Final = 4
"""Of tuning that are listed, the most frequent first."""
Amount = float | None
Priors = Mapping[str, Sequence[float]]
"""Trial id to the shares of the classes in its test split, of trials where they are known."""

# What is known of one arm.


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """Means over an arm's trials that count."""

    name: str
    parameters: Amount
    flops: Amount
    """Of one forward pass over one example."""
    steps: Amount
    training_examples: Amount
    validation_labels: Amount
    workers: Amount
    fuse: Amount
    """Places of the stack that its trials train in; 1 where they train alone."""
    tuning: str | None
    """`untuned`, or how and on what budget."""
    unconverged: Amount
    """Share of the trials whose best epoch is the last one; None where epochs are not selected."""
    test_prior: tuple[float, ...] | None
    """Shares of the classes in the test split."""


def facts_of(name: str, trials: pd.DataFrame, priors: Priors) -> ArmFacts:
    """trials: the arm's rows of `trials`, or of a plan, where what is not known is missing.

    A trial that diverged has fewer steps because it did: they say nothing of what its arm was given.
    """
    made = _numbers(trials, "generated_size").fillna(0.0)
    return ArmFacts(
        name=name,
        parameters=_mean(_numbers(trials, "parameters")),
        flops=_mean(_numbers(trials, "flops")),
        steps=_mean(_numbers(trials[trials["status"] != "diverged"] if "status" in trials else trials, "steps")),
        training_examples=_mean(_numbers(trials, "train_size") + made),
        validation_labels=_mean(_numbers(trials, "val_size")),
        workers=_mean(_numbers(trials, "world_size")),
        fuse=_mean(trials["protocol_config"].map(_places).astype("float64")),
        tuning=_tuning(trials),
        unconverged=_unconverged(trials),
        test_prior=_prior([priors[trial] for trial in trials["trial_id"] if trial in priors]),
    )


def _numbers(trials: pd.DataFrame, column: str) -> "pd.Series[float]":
    """Missing where a table of an older version lacks the column."""
    if column not in trials:
        return pd.Series(np.nan, index=trials.index, dtype="float64")
    return trials[column].astype("float64")


def _mean(values: "pd.Series[float]") -> Amount:
    """None where it is not known of any trial."""
    known = values.dropna()
    return None if known.empty else float(known.mean())


def _places(protocol: str) -> int:
    """protocol: JSON, of an older version without `fuse`."""
    return int(json.loads(protocol).get("fuse", 1))


def _tuning(trials: pd.DataFrame) -> str | None:
    ways = {_budget(text) for text in trials["tuning_config"].unique()}
    return " and ".join(sorted(ways)) or None


def _budget(tuning: object) -> str:
    """`random search, 20 trials of each cell`. tuning: JSON of a cell's, or nothing."""
    if not isinstance(tuning, str):
        return "untuned"
    asked = json.loads(tuning)
    repeated = asked.get("repetitions") or 1
    more = f", {repeated} times" if repeated > 1 else ""
    stops = "" if asked["scheduler"] == "none" else f", stopped early by {asked['scheduler']}"
    trials = asked.get(POINTS, asked["trials"])  # tables of before do not have the points
    return f"{asked['search']} search, {counted(trials, 'trial')} of each cell{more}{stops}"


def _unconverged(trials: pd.DataFrame) -> Amount:
    return _mean(cut_off(trials))


def cut_off(trials: pd.DataFrame) -> "pd.Series[float]":
    """1 of each trial whose best epoch is its last, 0 of others; missing where that is not known.

    What is selected as the last epoch says nothing of where it came to rest: such trials are left out.
    """
    selecting = trials[[json.loads(text).get("select") != "last" for text in trials["protocol_config"]]]
    best, ran = _numbers(selecting, "best_epoch"), _numbers(selecting, "epochs")
    return (best == ran).astype("float64").where(best.notna() & ran.notna())


def _prior(priors: Sequence[Sequence[float]]) -> tuple[float, ...] | None:
    if not priors or len({len(shares) for shares in priors}) > 1:
        return None
    return tuple(float(share) for share in np.mean(priors, axis=0))


def chosen(name: str, trials: pd.DataFrame) -> str | None:
    """`tuning chose for sgd: optimizer.lr=0.045 (6 trials), optimizer.lr=0.038 (4 trials)`; None where nothing was tuned."""
    texts = trials["tuned"].dropna()
    if texts.empty:
        return None
    counts = texts.value_counts()
    listed = ", ".join(f"{shown_text(str(text))} ({counted(n, 'trial')})" for text, n in counts.head(_CHOICES).items())
    more = f" and {len(counts) - _CHOICES} other choices" if len(counts) > _CHOICES else ""
    return f"tuning chose for {name}: {listed}{more}"


def test_priors(trials: pd.DataFrame, classes: Callable[[list[str]], pd.DataFrame]) -> Priors:
    """Return, by trial id, the shares of the classes in the test split of each trial whose data have classes.

    classes: gives rows of the table of that name, for some trials' ids: one of those that share a test split is enough.
    """
    done = trials[trials["status"] == "completed"]
    split = [done[column] for column in ("dataset_config", "protocol_config", "seed")]
    first = done.groupby(split)["trial_id"].transform("first")
    rows = classes(sorted(first.unique())).sort_values(["trial_id", "class_index"])
    supports = {str(trial): rows["support"].to_numpy() for trial, rows in rows.groupby("trial_id")}
    known = {trial: support / support.sum() for trial, support in supports.items() if support.sum()}
    return {trial: known[one] for trial, one in zip(done["trial_id"], first, strict=True) if one in known}


# Two arms or more beside one another.


class Compared(NamedTuple):
    """Terms of a claim (`pairing.terms_of`) that stand beside one another."""

    terms: tuple[int, ...]
    """Their numbers."""
    of_arms: bool
    """Whether these are the arms, which have to be fair; else one arm at the places of an interaction or of a trend."""


def compared_in(claim: Claim) -> Iterator[Compared]:
    """Yield the arms, at each place, and then the first arm at all places."""
    if claim.first is None:
        assert claim.over is not None, "a claim without two arms is a trend"
        yield Compared(tuple(range(len(claim.over.levels))), of_arms=True)
        return
    places = len(claim.over.levels) if claim.over is not None else 1 if claim.more_where is None else 2
    yield from (Compared((first, first + 1), of_arms=True) for first in range(0, 2 * places, 2))
    if places > 1:
        yield Compared(tuple(range(0, 2 * places, 2)), of_arms=False)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not alike in all arms, or of which arms that are alike have too much."""

    what: str
    """The fact, as a condition of `fair` names it."""
    title: str
    arms: Mapping[str, float | str | None]
    """Each arm with its value."""
    ratio: float | None
    """Of the greatest to the least; None of what has none."""
    forbidden: bool
    """Whether the claim's `fair` does not allow so much of it."""
    words: str
    """The whole of it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What else differs between a claim's arms."""

    differences: tuple[Difference, ...] = ()
    unmeasured: tuple[str, ...] = ()
    """Each condition of `fair` that cannot be told, in words."""

    @property
    def confounded(self) -> tuple[str, ...]:
        """What of it the claim forbids."""
        return tuple(dict.fromkeys(one.title for one in self.differences if one.forbidden))


def comparison(claim: Claim, arms: Sequence[ArmFacts]) -> Comparison:
    """arms: of the terms of the claim, in their order."""
    asked = {} if claim.fair is None else claim.fair.asked
    differences, unmeasured = [], []
    for terms, of_arms in compared_in(claim):
        facts = [arms[number] for number in terms]
        for fact in FACTS if of_arms else _BETWEEN_PLACES:
            limit = asked.get(fact.key) if of_arms else None
            if (found := fact.between(facts, limit)) is not None:
                differences.append(found)
            if limit is not None and (lacking := [arm.name for arm in facts if fact.of(arm) is None]):
                unmeasured.append(f"{fact.title} of {' and '.join(lacking)}")
    return Comparison(tuple(differences), tuple(unmeasured))


NOT_COMPARED: Final = Comparison()

# Each fact: how far apart arms are in it, and when that is worth telling.


@dataclass(frozen=True, slots=True)
class _Fact:
    key: str
    """As in `fair`."""
    title: str
    of: Callable[[ArmFacts], Any]
    shown: Callable[[Any], str]
    distance: Callable[[Sequence[Any]], float]
    """Of the values of all arms, none of which is None."""
    told_above: float
    """A distance that is told."""
    is_ratio: bool = False

    def between(self, arms: Sequence[ArmFacts], asked: float | str | None) -> Difference | None:
        """What is to be told; None where arms are alike, or fewer than two are known. asked: the condition, if any."""
        values = [self.of(arm) for arm in arms]
        known = [value for value in values if value is not None]
        if len(known) < 2:
            return None
        distance = self.distance(known)
        allowed = asked if isinstance(asked, float) else self.told_above
        forbidden = asked is not None and len(known) == len(arms) and distance > allowed
        if not forbidden and distance <= self.told_above:
            return None
        return Difference(
            what=self.key,
            title=self.title,
            arms={arm.name: self._plain(value) for arm, value in zip(arms, values, strict=True)},
            ratio=distance if self.is_ratio else None,
            forbidden=forbidden,
            words=self._told(arms, values, distance),
        )

    def _told(self, arms: Sequence[ArmFacts], values: Sequence[Any], distance: float) -> str:
        of_each = (
            f"{arm.name} {'not known' if value is None else self.shown(value)}"
            for arm, value in zip(arms, values, strict=True)
        )
        return f"{self.title}: {', '.join(of_each)}{f' ({_times(distance)})' if self.is_ratio else ''}"

    def _plain(self, value: Any) -> float | str | None:
        return value if value is None or isinstance(value, float | str) else self.shown(value)


def _ratio(values: Sequence[float]) -> float:
    least, greatest = min(values), max(values)
    return 1.0 if greatest == least else greatest / least if least > 0 else float("inf")


def _times(ratio: float) -> str:
    return "none in one of them" if ratio == float("inf") else f"{ratio:.3g} times"


def _unlike(values: Sequence[str]) -> float:
    return float(len(set(values)) > 1)


def _apart(priors: Sequence[Sequence[float]]) -> float:
    """The greatest total variation distance of two; splits of different classes are wholly apart."""
    if len({len(shares) for shares in priors}) > 1:
        return 1.0
    return max(float(np.abs(np.subtract(one, other)).sum()) / 2 for one in priors for other in priors)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _shares(prior: Sequence[float]) -> str:
    """The rarest and the most frequent class: what a skew is."""
    return f"{_share(min(prior))} to {_share(max(prior))} a class"


def _of_amount(key: str, title: str) -> _Fact:
    return _Fact(key, title, lambda arm: getattr(arm, key), _amount, _ratio, EQUAL, is_ratio=True)


FACTS: Final = (
    _of_amount("parameters", "parameters"),
    _of_amount("flops", "FLOPs of one example"),
    _of_amount("steps", "optimizer steps"),
    _of_amount("training_examples", "training examples"),
    _of_amount("validation_labels", "validation labels"),
    _of_amount("workers", "workers (world size)"),
    _of_amount("fuse", "trials in a stack (fuse)"),
    _Fact("tuning", "tuning", lambda arm: arm.tuning, str, _unlike, 0.5),
    _Fact(
        "converged",
        "cut-off training",
        lambda arm: arm.unconverged,
        lambda share: f"best epoch is the last in {_share(share)}",
        max,
        CONVERGED,
    ),
    _Fact("test_prior", "test prior", lambda arm: arm.test_prior, _shares, _apart, _SAME_PRIOR),
)
"""In the order in which they are told."""
_BETWEEN_PLACES: Final = tuple(fact for fact in FACTS if fact.key != "converged")
"""What is told of one arm at several places: that training was cut off has been told of each."""
