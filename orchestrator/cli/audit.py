"""`orch audit RESULTS [TRIAL]`: which parts of the data trials do worst on, in words."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from orchestrator.cli.terminal import say
from orchestrator.cli.terminal.completion import RESULTS, TRIAL
from orchestrator.text import counted

if TYPE_CHECKING:
    from orchestrator.results.audit import CellAudit, LeftOut, Part, TrialAudit

_SHOWN: Final = 5
"""Parts of a kind, at most."""


@click.command(epilog="Example: orch audit results/demo, or orch audit results/demo 3fa9 --by person --by clusters")
@click.argument("results", type=RESULTS)
@click.argument("trial", type=TRIAL, required=False)
@click.option(
    "--by",
    multiple=True,
    metavar="NAME",
    help="Look at this alone: class, a column of the data, brightness, clusters, ... Repeatable.  [default: everything]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(results: Path, trial: str | None, by: tuple[str, ...], as_json: bool) -> int:
    """Show what the nets of the directory RESULTS are bad at, as the measurement `groups` has found out.

    Of one TRIAL (a trial's id, or its first digits): its worst groups, each beside the others; the slices that nobody named
    and that are worse than the rest beyond chance (p below 0.05, corrected for all slices that were looked at); the largest
    difference of equalised odds; and what was left out, with the reason.

    Without TRIAL, of each cell: which groups and slices are the worst, in how many of its seeds, with the mean accuracy
    there and its 95 % interval.

    It reads tables alone. What was not measured, `orch measure RESULTS groups` measures.
    """
    from orchestrator.results.audit import cell_audits, trial_audits
    from orchestrator.store.reading import results_at

    audits = trial_audits(results_at(results), trial, by)
    cells = [] if trial is not None else cell_audits(audits)
    if as_json:
        say(_as_json(audits, cells, one=trial is not None))
    else:
        say("\n".join(_of_trial(audits[0]) if trial is not None else _of_cells(audits, cells)))
    return 0


def _as_json(audits: "Sequence[TrialAudit]", cells: "Sequence[CellAudit]", *, one: bool) -> str:
    import json
    import math
    from dataclasses import asdict

    found = asdict(audits[0]) if one else {"cells": list(map(asdict, cells)), "trials": list(map(asdict, audits))}
    for cell in found.get("cells", ()):  # of a single seed there is no interval
        cell["accuracy"] = {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in cell["accuracy"].items()
        }
    return json.dumps(found, indent=2, allow_nan=False)


def _of_trial(audit: "TrialAudit") -> Iterator[str]:
    from orchestrator.results.audit import LEVEL, informative

    whole = "" if audit.accuracy is None else f"; accuracy {audit.accuracy:.3f}"
    yield f"{audit.trial_id}  {audit.dataset} · {audit.label}, seed {audit.seed}{whole}"
    yield ""
    for number, part in enumerate(audit.groups[:_SHOWN]):
        yield f"  {'worst group:' if number == 0 else '':15}{_part(part)}"
    yield from _rest("groups of other kinds", len(audit.groups))
    if audit.odds_difference is not None:
        yield f"  {'odds:':15}differ by {audit.odds_difference:.3f} at most (equalised odds)"
    yield ""
    told = informative(audit.slices)
    for number, part in enumerate(told[:_SHOWN]):
        yield f"  {'worst slice:' if number == 0 else '':15}{_part(part)}"
    yield from _rest("slices worse than the rest", len(told))
    unsure = [part for part in audit.slices if part not in told]
    if unsure:
        yield f"  {'as with any net:':15} {_part(unsure[0])}"
    if not audit.slices:
        beside = "none was tested" if audit.least_p is None else f"the least p is {audit.least_p:.2g}"
        yield f"  no slice that nobody named is worse than the rest beyond chance at {LEVEL} ({beside})"
    if audit.left_out:
        yield ""
        yield "  left out:"
        yield from (f"    {line}" for line in _left_out(audit.left_out))


def _of_cells(audits: "Sequence[TrialAudit]", cells: "Sequence[CellAudit]") -> Iterator[str]:
    from orchestrator.results.audit import in_words

    for number, (_, parts) in enumerate(groupby(cells, key=lambda cell: cell.cell_id)):
        every = list(parts)
        first = every[0]
        yield from [""] * (number > 0)
        yield f"{first.dataset} · {first.label}, {counted(first.seeds, 'seed')}"
        for named, title in ((True, "worst group"), (False, "worst slice")):
            of_kind = [each for each in every if each.named is named]
            for each in of_kind[:_SHOWN]:
                yield f"  {title} in {each.worst_in} of {each.seeds}: {in_words(each.by, each.part)}, {_mean(each)}"
            yield from _rest("others", len(of_kind))
            if not of_kind and not named:
                yield "  no slice that nobody named is worse than the rest beyond chance in any seed"
    left = dict.fromkeys(line for audit in audits for line in _left_out(audit.left_out))
    if left:
        yield ""
        yield f"left out of comparisons: {counted(len(left), 'part')}; `orch audit RESULTS TRIAL` has the reasons"


def _part(part: "Part") -> str:
    from orchestrator.results.audit import in_words, p_in_words

    beside = "" if part.rest_accuracy is None else f" beside {part.rest_accuracy:.2f} of the rest"
    chance = "" if part.p is None else f", {p_in_words(part.p)}"
    share = f"{part.accuracy:.2f} [{part.low:.2f}, {part.high:.2f}]"
    return f"{in_words(part.by, part.part)}: {share}{beside}{chance}, {counted(part.n, 'picture')}"


def _mean(cell: "CellAudit") -> str:
    accuracy = cell.accuracy
    interval = "" if accuracy.n < 2 or accuracy.low != accuracy.low else f" [{accuracy.low:.2f}, {accuracy.high:.2f}]"
    return f"accuracy {accuracy.mean:.2f}{interval}"


def _left_out(parts: "Sequence[LeftOut]") -> Iterator[str]:
    """Those of one reason together, since there may be hundreds."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for each in parts:
        by_reason.setdefault((each.by, each.why), []).extend([each.part] if each.part is not None else [])
    for (by, why), names in by_reason.items():
        listed = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        yield f"{by} {listed}: {why}" if names else f"{by}: {why}"


def _rest(what: str, count: int) -> Iterator[str]:
    if count > _SHOWN:
        yield f"  {'':15}and {count - _SHOWN} {what} (--json has all)"
