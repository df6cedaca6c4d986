"""Verdicts in words, and as JSON: what the command, the page and the notebook show is the same."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from orchestrator.evidence.arms import Difference
from orchestrator.evidence.finding import Evidence, Shown
from orchestrator.evidence.stats.scope import ScopedTest
from orchestrator.evidence.verdict import Verdict
from orchestrator.text import counted

_INFINITE = "never"


def summary(verdicts: Sequence[Verdict]) -> str:
    """`3 claims: 1 supported, 2 inconclusive; 1 is post hoc`."""
    outcomes = [verdict.outcome for verdict in verdicts]
    counts = [f"{outcomes.count(name)} {name}" for name in dict.fromkeys(outcomes)]
    late, few = (
        sum(verdict.post_hoc for verdict in verdicts),
        sum(verdict.undecidable is not None for verdict in verdicts),
    )
    message = f"{counted(len(verdicts), 'claim')}: {', '.join(counts)}"
    plans = {one.evidence.plan for one in verdicts}  # of several results each may have its own, which its verdicts say
    if len(plans) == 1 and (plan := plans.pop()) is not None:
        seeds = max((one.evidence.looks[-1].seeds for one in verdicts if one.evidence.looks), default=0)
        message += f"; seeds are added until they are decided, so far {seeds} of at most {plan.most}"
    if few:
        message += f"; {few} cannot be decided with so few seeds"
    return f"{message}; {late} {'is' if late == 1 else 'are'} post hoc" if late else message


def withdrawn(dropped: Sequence[str]) -> str:
    """Say that an earlier grid claimed these; empty where there are none."""
    if not dropped:
        return ""
    return f"An earlier grid claimed what this one does not (p is corrected for it too): {'; '.join(dropped)}"


def outcome_of(verdict: Verdict) -> str:
    """`supported (post hoc)`, `confounded (by ...)`, `inconclusive (not decidable with 5 seeds, needs at least 8)`."""
    confounded = f"by {' and '.join(verdict.confounded)}" if verdict.outcome == "confounded" else None
    about = "; ".join(filter(None, (confounded, verdict.undecidable, "post hoc" if verdict.post_hoc else None)))
    return f"{verdict.outcome} ({about})" if about else verdict.outcome


def lines_of(verdict: Verdict) -> Iterator[str]:
    """Yield all that there is to say of a claim, a line each; its text first."""
    yield f"{verdict.claim.id}  {outcome_of(verdict)}: {verdict.claim.text}"
    yield f"  {verdict.claim.on.name}: {arms_of(verdict)}"
    if not math.isnan(verdict.effect):
        yield f"  {effect_of(verdict)}; {sureness_of(verdict)}"
        if (narrow := narrow_of(verdict)) is not None:
            yield f"  {narrow}"
    if verdict.post_hoc:
        yield "  post hoc: it was written, or changed, after trials that it is about had ended"
    if verdict.differs:
        yield f"  what else differs: {'; '.join(verdict.differs)}"
    yield from (f"  {note}" for note in verdict.notes)
    if verdict.decide is not None:
        yield f"  what would decide it: {verdict.decide}"


def arms_of(verdict: Verdict) -> str:
    """Return each arm and its mean; of times the median, and how often it gets there at all."""
    units = verdict.units
    if verdict.claim.on.form != "time":
        return ", ".join(f"{side.name} {number(side.mean)}" for side in units.sides)
    return ", ".join(
        f"{side.name} {number(side.mean)} (median; it gets there in {side.finite} of {units.blocks} pairs)"
        for side in units.sides
    )


def effect_of(verdict: Verdict) -> str:
    """`on pictures like these: difference 0.026 [0.021, 0.031], claimed: more than 0.005`."""
    name = {
        "interaction": "difference of differences",
        "trend": "change from first to last",
        "time to target": "share of pairs in which it is faster, minus those in which it is slower,",
    }.get(verdict.claim.kind, "difference")
    interval = _interval(verdict.low, verdict.high)
    return f"{verdict.scope}: {name} {number(verdict.effect)}{interval}, claimed: more than {number(verdict.bound)}"


def _interval(low: float, high: float) -> str:
    return "" if math.isnan(low) else f" [{number(low)}, {number(high)}]"


def sureness_of(verdict: Verdict) -> str:
    """`p = 0.004 after Holm, n = 10 (10 seeds), corrected resampled t`."""
    units = verdict.units
    pairs = f"n = {units.pairs} ({counted(units.seeds, 'seed')})"
    if verdict.found.withheld:
        return f"withheld: {verdict.found.withheld}; {pairs}"
    return (
        pairs if verdict.corrected is None else f"p = {number(verdict.corrected)} after Holm, {pairs}, {verdict.test}"
    )


def narrow_of(verdict: Verdict) -> str | None:
    """What these pictures alone show, where the verdict is about more; it decides nothing."""
    narrow = verdict.found.narrow
    if narrow is None or not verdict.claim.on.reads_test or math.isnan(narrow.error):
        return None
    return (
        f"on these test pictures alone: {number(narrow.effect)}{_interval(narrow.low, narrow.high)},"
        f" p = {number(narrow.p)} before Holm"
    )


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Plain values; what is no number is null."""
    claim, units = verdict.claim, verdict.units
    return {
        "id": claim.id,
        "text": claim.text,
        "kind": claim.kind,
        "on": claim.on.name,
        "digest": claim.digest,
        "post_hoc": verdict.post_hoc,
        "verdict": verdict.outcome,
        "effect": _plain(verdict.effect),
        "low": _plain(verdict.low),
        "high": _plain(verdict.high),
        "bound": verdict.bound,
        "effect_size": _plain(verdict.size),
        "p": verdict.p,
        "p_corrected": verdict.corrected,
        "test": verdict.test,
        "df": None if verdict.found.test is None else _plain(verdict.found.test.df),
        "scope": verdict.scope,
        "withheld": verdict.found.withheld,
        "these_pictures": _test(verdict.found.narrow),
        "places": [_place(one) for one in verdict.found.places],
        "levels": [{"axis": one.level.axis, **_place(one)} for one in verdict.found.levels],
        "n": units.pairs,
        "seeds": units.seeds,
        "arms": [
            {"arm": side.name, "mean": _plain(side.mean), "trials": dict(side.statuses), "skipped": side.skipped}
            for side in units.sides
        ],
        "differs": [_difference(one) for one in verdict.evidence.arms.differences],
        "confounded_by": list(verdict.confounded),
        "looks": _looks(verdict.evidence),
        "left_out": units.waiting,
        "undecidable": verdict.undecidable,
        "decide": verdict.decide,
        "notes": list(verdict.notes),
    }


def _looks(evidence: Evidence) -> dict[str, Any] | None:
    if evidence.plan is None:
        return None
    taken = [look.seeds for look in evidence.looks]
    return {"taken": taken, "planned": list(evidence.plan.all_sizes), "most": evidence.plan.most}


def _test(test: ScopedTest | None) -> dict[str, Any] | None:
    if test is None:
        return None
    return {"effect": _plain(test.effect), "low": _plain(test.low), "high": _plain(test.high), "p": test.p}


def _place(one: Shown) -> dict[str, Any]:
    return {
        "name": one.level.name,
        "effect": one.test.effect,
        "low": _plain(one.test.low),
        "high": _plain(one.test.high),
    }


def _difference(one: Difference) -> dict[str, Any]:
    arms = [{"arm": arm, "value": value} for arm, value in one.arms.items()]
    ratio = None if one.ratio is None else _plain(one.ratio)
    return {"what": one.what, "arms": arms, "ratio": ratio, "forbidden": one.forbidden, "text": one.words}


def number(value: float) -> str:
    """Four digits; what never came is said so."""
    if math.isnan(value):
        return "-"
    return _INFINITE if math.isinf(value) else f"{value:.4g}"


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
