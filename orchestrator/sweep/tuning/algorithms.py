"""Ray Tune's searchers and schedulers, asked and told by the sweep. None of Tune's own loop is used (ADR 7).

Random values come from Tune's domains; `tpe` is Optuna's tree-structured Parzen estimator (Bergstra et al. 2011,
section 4) behind Tune's `OptunaSearch`; `asha` is Tune's asynchronous successive halving (Li et al. 2020, algorithm 2).
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol

import numpy as np

from orchestrator.grid.tuning import Choice, Domain, Opened, TuningSpec

_METRIC: Final = "score"
_TIME: Final = "epoch"


class Search(Protocol):
    """Proposes values, and learns what came of them. Scores: the greater the better; None where there is none."""

    def suggest(self, number: int) -> dict[str, Any]:
        """Values for the tuning trial of this number, which has none yet."""

    def tell(self, number: int, values: dict[str, Any], score: float | None) -> None:
        """How a trial came out, of this sweep or an earlier one."""


class Stopper(Protocol):
    """Says early which trials are not worth going on with."""

    def stops(self, number: int, epoch: int, score: float) -> bool:
        """Whether this trial is to end after this epoch. score: the best so far, or the last; the greater the better."""


def search_of(spec: TuningSpec) -> Search:
    """A search that knows nothing yet."""
    match spec.search:
        case "random":
            return RandomSearch(spec)
        case "grid":
            return GridSearch(spec)
        case "tpe":
            return TpeSearch(spec)


def stopper_of(spec: TuningSpec, epochs: int) -> Stopper:
    """epochs: of a trial that is not stopped."""
    return Halving(epochs) if spec.scheduler == "asha" else NoStopper()


class RandomSearch:
    """Independent draws. Cells that have a parameter in common draw the same values for it: they are compared in pairs."""

    def __init__(self, spec: TuningSpec) -> None:
        self._seed = spec.seed
        self._domains = {opened.name: _domain(opened.domain) for opened in spec.space}
        self._space = spec.space

    def suggest(self, number: int) -> dict[str, Any]:
        drawn = {name: domain.sample(random_state=self._random(name, number)) for name, domain in self._domains.items()}
        return _values(self._space, drawn)

    def tell(self, number: int, values: dict[str, Any], score: float | None) -> None:
        return

    def _random(self, name: str, number: int) -> np.random.RandomState:
        digest = blake2b(f"{self._seed}:{name}:{number}".encode(), digest_size=4).digest()
        return np.random.RandomState(int.from_bytes(digest, "big"))


class GridSearch:
    """Point by point."""

    def __init__(self, spec: TuningSpec) -> None:
        self._points = list(spec.combinations())

    def suggest(self, number: int) -> dict[str, Any]:
        return self._points[number]

    def tell(self, number: int, values: dict[str, Any], score: float | None) -> None:
        return


class TpeSearch:
    """Ten trials at random, then where good ones are more likely than bad ones: generation by generation.

    A generation is a function of the seed and of all generations before it: the number of slots, the order in which trials
    end and a sweep that was killed change nothing of it.
    """

    def __init__(self, spec: TuningSpec) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._spec = spec
        self._told: dict[int, tuple[dict[str, Any], float]] = {}
        self._generations: dict[int, list[dict[str, Any]]] = {}

    def suggest(self, number: int) -> dict[str, Any]:
        first = self._spec.before(number)
        if first not in self._generations:
            self._generations[first] = self._generation(first)
        return self._generations[first][number - first]

    def tell(self, number: int, values: dict[str, Any], score: float | None) -> None:
        if score is not None:
            self._told[number] = values, score

    def _generation(self, first: int) -> list[dict[str, Any]]:
        """Of the trials from this number on."""
        from ray.tune.search.optuna import OptunaSearch

        spec = self._spec
        space = OptunaSearch.convert_search_space({opened.name: _domain(opened.domain) for opened in spec.space})
        digest = blake2b(f"{spec.seed}:{first}".encode(), digest_size=4).digest()
        search = OptunaSearch(space=space, metric=_METRIC, mode="max", seed=int.from_bytes(digest, "big"))
        for number in sorted(number for number in self._told if number < first):
            values, score = self._told[number]
            search.add_evaluated_point(_drawn(spec.space, values), score)
        drawn = [search.suggest(str(number)) for number in range(first, min(first + spec.together, spec.count))]
        return [_values(spec.space, one) for one in drawn if one is not None]


class Halving:
    """Lets the best quarter go on of the trials that reach an epoch of 1, 4, 16, ..."""

    def __init__(self, epochs: int) -> None:
        from ray.tune.schedulers import ASHAScheduler

        # typed loosely: it wants Tune's controller and trials, and looks at no more than the trial's id
        self._scheduler: Any = ASHAScheduler(
            time_attr=_TIME, metric=_METRIC, mode="max", max_t=epochs, grace_period=1, reduction_factor=4
        )
        self._epochs = epochs
        self._known: dict[int, _TuneTrial] = {}

    def stops(self, number: int, epoch: int, score: float) -> bool:
        if number not in self._known:
            self._known[number] = _TuneTrial(str(number))
            self._scheduler.on_trial_add(None, self._known[number])
        result = {_TIME: epoch, _METRIC: score}
        decision = self._scheduler.on_trial_result(None, self._known[number], result)
        return bool(decision == self._scheduler.STOP) and epoch < self._epochs


class NoStopper:
    """Every trial trains to its end."""

    def stops(self, number: int, epoch: int, score: float) -> bool:
        return False


class _TuneTrial:
    """What Tune's scheduler has to see of a trial."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def _domain(domain: Domain) -> Any:
    """Tune's. A choice is among JSON texts, since some searchers take no lists."""
    from ray import tune

    if isinstance(domain, Choice):
        return tune.choice(list(domain.texts))
    if domain.whole:  # of whole numbers Tune leaves out the upper end
        draw = tune.lograndint if domain.log else tune.randint
        return draw(int(domain.low), int(domain.high) + 1)
    return tune.loguniform(domain.low, domain.high) if domain.log else tune.uniform(domain.low, domain.high)


def _values(space: Sequence[Opened], drawn: dict[str, Any]) -> dict[str, Any]:
    """Tune's values as JSON has them."""
    return {
        opened.name: json.loads(drawn[opened.name])
        if isinstance(opened.domain, Choice)
        else (int if opened.domain.whole else float)(drawn[opened.name])
        for opened in space
    }


def _drawn(space: Sequence[Opened], values: dict[str, Any]) -> dict[str, Any]:
    """The other way round."""
    return {
        opened.name: json.dumps(values[opened.name], sort_keys=True)
        if isinstance(opened.domain, Choice)
        else values[opened.name]
        for opened in space
    }
