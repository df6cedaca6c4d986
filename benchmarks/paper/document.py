"""docs/paper.md: the sentences of the survey, and what their claims came to."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from benchmarks.paper.sentences import Sentence, read_sentences
from orchestrator.evidence.judge import judge_together
from orchestrator.evidence.text import lines_of, number, outcome_of, summary
from orchestrator.evidence.verdict import Verdict
from orchestrator.grid import GridSpec, read_grid
from orchestrator.store.paths import ResultsPaths
from orchestrator.text import counted
from results_schema import ENVIRONMENTS, TRIAL_TABLES

_INTRODUCTION: Final = """# A study as claims

The study that inspired this program says which networks, regularizers and optimizers do better in image recognition, and
when, without a single figure. Here are its sentences, in our words, each with the claims that test it or the reason why
none does. A claim was stated in a grid of `examples/paper/`, in the direction of the survey, before the grid ran; verdicts
stand as they fell, contradictions and what could not be decided among them. Small networks on small pictures, two cores: a
verdict is one on these cells, not on all networks. Three grids (regularization, filters, clips) had run once before, with
twelve seeds and other pictures of the same data; that decided little, they were made anew with the rule below, and nothing
of the first runs is counted here; nor of the first runs of residual (where a run of 32 layers with shortcuts stuck, at a
higher rate), of gan_classifier and of clips once more (both were cut off by shorter training). Written by `make paper`,
which anyone can run and stop; [claims.md](claims.md) says how a verdict comes about and [statistics.md](statistics.md)
how often it is wrong. The tables behind it are in `docs/paper/`: `orch claims docs/paper/long` judges one of them by
itself.
"""
_HOW: Final = """## How to read it

- **n** is the units that a verdict rests on: seeds of each data set, each with another fold of the data or, where pictures
  are fixed, another training. Where rates are tuned they are tuned anew in each fold. Most grids take seeds until their
  claims are decided, up to 40 of each cell: p and intervals allow for each look.
- **effect** is positive where it is as the survey says. Who says *better* here says by how much, a point of accuracy in most
  claims, so that *contradicted* also says: by less than that, if at all. **p** is after Holm over all claims of this page,
  those of grids that have not run yet among them.
- Arms are of one size within a fifth unless size is the subject, are trained until validation has come to rest, and where
  rates are compared they are tuned with equal budgets. A claim says so (`fair`), and where it turns out otherwise its
  verdict is *confounded*. What differs beside that is told.
- Pictures: MNIST, Fashion-MNIST and a JPEG copy of CIFAR-10, scaled down, a few hundred of each to learn from; digits that
  move, and pictures made of scikit-learn's digits.
"""


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid, and where its tables are."""

    path: Path
    results: ResultsPaths | None
    """None where it has not run, or not to its end."""

    @property
    def spec(self) -> GridSpec:
        return read_grid(self.path)


def document(grids: Sequence[Grid]) -> str:
    """All of the page. Raises UserError where the tables are no family (`judge_together`)."""
    ran = [(grid, grid.results) for grid in grids if grid.results is not None]
    waiting = [grid for grid in grids if grid.results is None]
    to_run = sum(len(grid.spec.claims) for grid in waiting)
    verdicts = judge_together([results for _, results in ran]).verdicts if ran else ()
    by_id = {verdict.claim.id: verdict for verdict in verdicts}
    parts = [
        [_INTRODUCTION],
        _summary(verdicts, to_run, len(waiting)),
        _chapters({claim.id: claim.text for grid in grids for claim in grid.spec.claims}, by_id),
        [_HOW],
        _unlike_the_survey(verdicts),
        _not_run(waiting),
        _cost(ran),
        *(_details(grid, by_id) for grid, _ in ran),
    ]
    return "\n".join(line for part in parts for line in part)


def _summary(verdicts: Sequence[Verdict], to_run: int, grids: int) -> Iterator[str]:
    every = [sentence for chapter in read_sentences().values() for sentence in chapter]
    with_claims = sum(bool(sentence.claims) for sentence in every)
    ran = summary(verdicts) if verdicts else "no claim has been tested yet"
    waits = f"; {counted(to_run, 'claim')} of {counted(grids, 'grid')} not run yet" if to_run else ""
    yield f"{len(every)} sentences that can be tested, {with_claims} of them with claims. **{ran}{waits}.**\n"


def _chapters(texts: Mapping[str, str], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield "## The survey, sentence by sentence\n"
    for chapter, sentences in read_sentences().items():
        yield f"### {chapter.capitalize()}\n"
        yield "| the survey says | claim | verdict | scope | n | effect | 95 % interval | p | what else differs |"
        yield "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
        for sentence in sentences:
            yield from _rows(sentence, texts, verdicts)
        yield ""


def _rows(sentence: Sentence, texts: Mapping[str, str], verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    if not sentence.claims:
        yield f"| {sentence.says} | none: {sentence.none} | | | | | | | |"
    for place, claim in enumerate(sentence.claims):
        says = "" if place else sentence.says
        verdict = verdicts.get(claim)
        if verdict is None:
            yield f"| {says} | {claim}: {texts.get(claim, '')} | not run | | | | | | |"
            continue
        p = "" if verdict.corrected is None else number(verdict.corrected)
        about = f"{claim}: {verdict.claim.text} ({verdict.claim.on.name})"
        figures = (
            f"{verdict.units.pairs} | {number(verdict.effect)} | {number(verdict.low)} to {number(verdict.high)} | {p}"
        )
        differs = ", ".join(dict.fromkeys(one.title for one in verdict.evidence.arms.differences)) or "nothing"
        yield f"| {says} | {about} | **{outcome_of(verdict)}** | {verdict.scope} | {figures} | {differs} |"


def _unlike_the_survey(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What was contradicted and what is open, each once more by itself."""
    titles = {
        "contradicted": "What the survey says and these results contradict",
        "confounded": "What cannot be told, for more differs than the sentence is about",
        "inconclusive": "What could not be decided",
    }
    for outcome, title in titles.items():
        found = [verdict for verdict in verdicts if verdict.outcome == outcome]
        if found:
            yield f"## {title}\n"
            yield from (f"- **{verdict.claim.id}**: {verdict.claim.text}. {_because(verdict)}" for verdict in found)
            yield ""


def _because(verdict: Verdict) -> str:
    shown = f"{number(verdict.effect)} ({number(verdict.low)} to {number(verdict.high)})"
    return f"{shown}; {verdict.decide}" if verdict.decide else shown


def _not_run(waiting: Sequence[Grid]) -> Iterator[str]:
    if not waiting:
        return
    yield "## What has not run yet\n"
    yield "These grids are stated, and have no results of this version: `make paper` runs them.\n"
    for grid in waiting:
        claims = ", ".join(claim.id for claim in grid.spec.claims)
        yield f"- [{grid.path.stem}](../examples/paper/{grid.path.name}): {claims}"
    yield ""


def _cost(ran: Sequence[tuple[Grid, ResultsPaths]]) -> Iterator[str]:
    """Trials and time of each grid, as the tables have them."""
    if not ran:
        return
    yield "## What it took\n"
    yield "| grid | trials | of them tuning | completed | hours of trials | orch, torch | machine |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | --- |"
    for grid, results in ran:
        tables = [path for table in TRIAL_TABLES if (path := results.table(table.name)).exists()]
        trials = pd.concat(map(pd.read_parquet, tables), ignore_index=True)
        where = pd.read_parquet(results.table(ENVIRONMENTS.name)).iloc[-1]
        tuning, done = (trials["purpose"] == "tuning").sum(), (trials["status"] == "completed").sum()
        hours = trials["total_seconds"].sum() / 3600
        versions = f"{where['orch_version']}, {json.loads(where['packages'])['torch']}"
        link = f"[{grid.path.stem}](../examples/paper/{grid.path.name})"
        machine = f"{where['cpu']}, {where['cpus']} cores"
        yield f"| {link} | {len(trials)} | {tuning} | {done} | {hours:.2f} | {versions} | {machine} |"
    yield ""


def _details(grid: Grid, verdicts: Mapping[str, Verdict]) -> Iterator[str]:
    yield f"## {grid.path.stem}\n"
    yield "```text"
    yield "\n\n".join("\n".join(lines_of(verdicts[claim.id])) for claim in grid.spec.claims if claim.id in verdicts)
    yield "```\n"
