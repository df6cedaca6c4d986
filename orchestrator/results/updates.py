"""What it is worth to train a net again on a stream that changes: policies, read off the nets that have seen some of it.

A policy says after each block whether the net is trained again on all that has come. Test, then train: each block is
answered by the net that there is when it comes (Gama, Sebastiao and Rodrigues 2013, "On evaluating stream learning
algorithms"). Nets that differ in nothing but the blocks that they have seen (the option `seen`, which the section `update`
gives) are one stream; nothing is trained here.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pandas as pd

from orchestrator.errors import OrchError, UserError
from orchestrator.evidence.judge import latest_grid
from orchestrator.grid.reader import read_text
from orchestrator.grid.updating import USUAL, Periodic, Policy, policy_name
from orchestrator.store.frames import TablesRead
from orchestrator.text import counted
from results_schema import ENVIRONMENTS, EVALUATION, MEASUREMENT, PREQUENTIAL, UPDATE
from trainables import AXES, NOTHING_MADE

_CONFIGS: Final = ["model_config", "optimizer_config", "regularizer_config", "protocol_config", "data_fingerprint"]
_WANTED: Final = [
    *("trial_id", "purpose", "planned", "status", "seed", *AXES, "dataset_config", *_CONFIGS),
    *("train_seconds", "total_seconds"),
]
_GRID: Final = Path("grid.yaml")
"""What the recorded grid is called, of which nothing that is wrong is told."""
_TOLD: Final = ["measurement_id", "trial_id", "block", "shift", "n", "accuracy", "p_value", "alarm"]


@dataclass(frozen=True, slots=True)
class OnBlock:
    """What one net says of one block."""

    shift: str
    n: int
    accuracy: float
    alarm: bool | None
    """None where it had too few pictures to compare with."""


@dataclass(frozen=True, slots=True)
class Net:
    """One that has seen some blocks."""

    seconds: float | None
    """That its training took."""
    blocks: Mapping[int, OnBlock]
    """Those that came later."""


@dataclass(frozen=True, slots=True)
class Step:
    """A block, and what answers for it."""

    block: int
    seen: int
    """Blocks that the net had seen."""
    said: OnBlock


class LacksNetError(Exception):
    """A policy asks for a net that was not trained, or for an alarm that nothing tells."""


@dataclass(frozen=True, slots=True)
class Moment:
    """After a block, when a policy decides."""

    block: int
    """Its number."""
    said: OnBlock
    """What the net has said of it."""
    since_alarm: int | None
    """Blocks since the last one that alarmed, 0 at that one; None before any has."""


Retrains = Callable[[Moment], bool]
"""Whether a net is trained again then. Raises LacksNetError."""


def _has_doubled(now: Moment) -> bool:
    """Whether the blocks since the alarm, that one among them, are 1, 2, 4, ...: twice as many as at the last retraining."""
    return _alarmed(now.said) or (now.since_alarm is not None and (now.since_alarm + 1).bit_count() == 1)


def _alarmed(said: OnBlock) -> bool:
    if said.alarm is None:
        raise LacksNetError(
            "an alarm has fewer than 30 pictures to compare with: the validation split, or a fifth of the last block that"
            " was seen; ask for more validation pictures, or for fewer blocks"
        )
    return said.alarm


_RETRAINS: Final[Mapping[str, Retrains]] = {
    "never": lambda _: False,
    "on_alarm": lambda now: _alarmed(now.said),
    "on_alarm doubling": _has_doubled,
    "always": lambda _: True,
}


def by_name(policies: Sequence[Policy] = USUAL) -> Mapping[str, Retrains]:
    """What each of them does, in their order."""
    return {policy_name(policy): _retrains(policy) for policy in policies}


def _retrains(policy: Policy) -> Retrains:
    if isinstance(policy, Periodic):
        every = policy.periodic
        return lambda now: (now.block + 1) % every == 0
    return _RETRAINS[policy]


def _chosen(tables: TablesRead, every: int | None = None) -> Mapping[str, Retrains]:
    """Those that the latest grid asks for, or the usual ones where it asks for none or another `every` is given."""
    if every is not None:
        return by_name([Periodic(periodic=every) if isinstance(policy, Periodic) else policy for policy in USUAL])
    text = latest_grid(tables.wanted(ENVIRONMENTS, ["started_at", "grid"]))
    try:
        update = None if text is None else read_text(text, _GRID).update
    except OrchError:  # what another orch has recorded
        update = None
    return by_name() if update is None else by_name(update.policies)


def steps(
    nets: Mapping[int, Net], retrains: Retrains, lacking: Mapping[int, str] = MappingProxyType({})
) -> Iterator[Step]:
    """Follow a policy from the first block to the last. nets: by the blocks that they have seen; lacking: as a `Stream` has
    it. Raises LacksNetError.
    """
    seen, last = 0, max((block for net in nets.values() for block in net.blocks), default=0)
    alarmed: int | None = None
    for block in range(last + 1):
        if seen not in nets:
            raise LacksNetError(lacking.get(seen, f"no net has seen {counted(seen, 'block')}"))
        said = nets[seen].blocks[block]
        yield Step(block, seen, said)
        alarmed = block if said.alarm else alarmed
        if retrains(Moment(block, said, None if alarmed is None else block - alarmed)):
            seen = block + 1


@dataclass(frozen=True, slots=True)
class Update:
    """A policy on one stream, with one seed."""

    dataset: str
    model: str
    optimizer: str
    regularizer: str
    seed: int
    policy: str
    accuracy: float | None
    """Of all pictures of the stream, each answered by the net of its time; None where a net is lacking."""
    retrainings: int | None
    alarms: int | None
    """Blocks that alarmed; None where of some nobody can tell, since there are too few pictures to compare with."""
    train_seconds: float | None
    """That the retrainings took; the first training is that of all policies."""
    reason: str | None
    """Why there are no figures."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Nets of one configuration and seed along a stream."""

    dataset: str
    model: str
    optimizer: str
    regularizer: str
    seed: int
    nets: Mapping[int, Net]
    lacking: Mapping[int, str] = field(default_factory=dict)
    """Of nets that are planned and tell nothing, why: by the blocks that they were to see."""

    def under(self, policy: str, retrains: Retrains) -> Update:
        """What a policy comes to."""
        named = (self.dataset, self.model, self.optimizer, self.regularizer, self.seed, policy)
        try:
            taken = list(steps(self.nets, retrains, self.lacking))
        except LacksNetError as lacks:
            return Update(*named, None, None, None, None, str(lacks))
        pictures = sum(step.said.n for step in taken)
        right = sum(step.said.accuracy * step.said.n for step in taken)
        later = sorted({step.seen for step in taken} - {0})
        seconds = [self.nets[seen].seconds for seen in later]
        took = None if None in seconds else sum(each for each in seconds if each is not None)
        told = [step.said.alarm for step in taken]
        alarms = None if None in told else sum(map(bool, told))
        return Update(*named, right / pictures, len(later), alarms, took, None)


def streams(tables: TablesRead, alpha: float | None = None) -> list[Stream]:
    """Those of a results directory along which some net has been measured, or is to be (the section `update`).

    alpha: the largest p of an alarm; as `prequential` was measured where it is None.
    """
    trials = tables.every_trial(_WANTED)
    trials = trials[trials["planned"].eq(True)]
    said = _measured(tables, trials, alpha)
    along = trials["purpose"].isin([EVALUATION, UPDATE]) & trials["deployment"].eq(NOTHING_MADE)
    found: dict[tuple[object, ...], _Found] = {}
    for trial in trials[along].to_dict("records"):
        config = json.loads(trial["dataset_config"])
        if config.get("stream") is None:
            continue
        seen = int(config.pop("seen", 0))
        key = (json.dumps(config, sort_keys=True), *(trial[name] for name in _CONFIGS), int(trial["seed"]))
        of_stream = found.setdefault(key, _Found())
        of_stream.is_asked |= trial["purpose"] == UPDATE
        if seen == 0 or not of_stream.labels:
            of_stream.labels = {axis: str(trial[axis]) for axis in ("dataset", "model", "optimizer", "regularizer")}
        blocks, status = said.get(str(trial["trial_id"])), trial["status"]
        if status != "completed" or blocks is None:
            what = "not measured" if status == "completed" else status.replace("_", " ")
            of_stream.lacking[seen] = f"the net that has seen {counted(seen, 'block')}: {what}"
            continue
        seconds = trial["total_seconds"] if pd.notna(trial["total_seconds"]) else trial["train_seconds"]
        of_stream.nets[seen] = Net(float(seconds) if pd.notna(seconds) else None, blocks)
    return [
        Stream(**each.labels, seed=int(str(key[-1])), nets=dict(sorted(each.nets.items())), lacking=each.lacking)
        for key, each in found.items()
        if each.nets or each.is_asked
    ]


@dataclass(slots=True)
class _Found:
    """What there is of a stream so far."""

    labels: dict[str, str] = field(default_factory=dict)
    nets: dict[int, Net] = field(default_factory=dict)
    lacking: dict[int, str] = field(default_factory=dict)
    is_asked: bool = False
    """Whether the section `update` plans it."""


def _measured(tables: TablesRead, trials: pd.DataFrame, alpha: float | None) -> dict[str, dict[int, OnBlock]]:
    """What each net says of each block, by its trial. trials: the planned ones, measurements among them: what an earlier
    grid has measured with another alpha is passed over.
    """
    planned = trials.loc[trials["purpose"].eq(MEASUREMENT), "trial_id"]
    rows = tables.wanted(PREQUENTIAL, _TOLD)
    rows = rows[rows["measurement_id"].isin(planned)].drop_duplicates(["trial_id", "block"])  # with several alphas
    return {str(trial_id): _said(of_net, alpha) for trial_id, of_net in rows.groupby("trial_id", sort=False)}


def _said(rows: pd.DataFrame, alpha: float | None) -> dict[int, OnBlock]:
    """By block, what one net says of it."""
    told = rows["alarm"] if alpha is None else (rows["p_value"] <= alpha).where(rows["p_value"].notna())
    alarms = [None if pd.isna(alarm) else bool(alarm) for alarm in told.astype(object)]
    named = zip(rows["block"], rows["shift"], rows["n"], rows["accuracy"], alarms, strict=True)
    return {int(block): OnBlock(str(shift), int(n), float(right), alarm) for block, shift, n, right, alarm in named}


def updates(tables: TablesRead, every: int | None = None, alpha: float | None = None) -> pd.DataFrame:
    """A row for each stream, seed and policy, as `Update` says; none where no net goes along a stream.

    every: of the policy `periodic`, beside all others, in place of those that the grid asks for; alpha: as for `streams`.
    Raises UserError where one of them means nothing.
    """
    whole = every is None or (isinstance(every, int) and not isinstance(every, bool) and every >= 1)
    if not whole or not (alpha is None or (isinstance(alpha, float) and 0 < alpha < 1)):
        raise UserError(
            f"every is a number of blocks, 1 or more, and alpha lies between 0 and 1: not {every} and {alpha}"
        )
    chosen = _chosen(tables, every)
    found = [stream.under(policy, retrains) for stream in streams(tables, alpha) for policy, retrains in chosen.items()]
    names = list(Update.__dataclass_fields__)
    rows = pd.DataFrame([asdict(one) for one in found], columns=names)
    return rows.astype(dict.fromkeys(("retrainings", "alarms"), "Int64"))


def by_block(tables: TablesRead) -> pd.DataFrame:
    """A row for each stream, seed, policy and block: how right the net was that answered for it. Policies that ask for a net
    which was not trained are left out.
    """
    columns = ["dataset", "model", "optimizer", "regularizer", "seed", "policy", "block", "shift", "accuracy"]
    rows: list[tuple[object, ...]] = []
    chosen = _chosen(tables)
    for stream in streams(tables):
        for policy, retrains in chosen.items():
            if stream.under(policy, retrains).reason is not None:
                continue
            named = (stream.dataset, stream.model, stream.optimizer, stream.regularizer, stream.seed, policy)
            taken = steps(stream.nets, retrains)
            rows += [(*named, step.block, step.said.shift, step.said.accuracy) for step in taken]
    return pd.DataFrame(rows, columns=columns)
