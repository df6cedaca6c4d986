"""Results of a grid that claims something, with scores of our choice, written through the real journal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.tables import export
from tests.orchestrator import sample
from tests.orchestrator.sample import Cell
from trainables.records import TrialResult

GRID = """\
name: demo
axes:
  dataset: [digits, mnist]
  model: [mlp, cnn, resnet, lstm]
  optimizer: [{name: sgd, lr: 0.1}, {name: adam, lr: 0.003}]
seeds: 10
claims:
"""

Scores = Mapping[Cell, Sequence[float | str | None]]
"""For each seed of a cell its accuracy, a status in place of it, or None where it has not run yet."""


Change = Callable[[TrialResult], TrialResult]


def write(
    root: Path,
    scores: Scores,
    *claims: str,
    skipped: Mapping[Cell, str] | None = None,
    changes: Mapping[Cell, Change] | None = None,
    letter: str = "H",
    text: str = "as said",
    looks: str | None = None,
) -> ResultsPaths:
    """looks: when they are looked at.

    claims: each as it stands between the braces; their ids are `letter` and a number, and `text` is what they say.

    changes: makes other results of those of a cell's completed trials.
    """
    paths = ResultsPaths(root)
    journal = Journal.create_or_open(paths.journal)
    seeds = range(max(map(len, scores.values())))
    sample.plan(journal, [*scores, *(skipped or {})], seeds=seeds, skipped=dict(skipped or {}))
    journal.environment(replace(sample.environment(), grid=stated(*claims, letter=letter, text=text), looks=looks))
    for cell, values in scores.items():
        for seed, value in enumerate(values):
            if value == "diverged":
                sample.diverge(journal, cell, seed)
            elif value == "failed":
                sample.fail(journal, cell, seed)
            elif value is not None:
                change = (changes or {}).get(cell, lambda ended: ended)
                sample.complete(journal, cell, seed, accuracy=float(value), change=change)
    journal.commit()
    export(journal, paths)
    journal.close()
    return paths


def stated(*claims: str, letter: str = "H", text: str = "as said") -> str:
    """The grid's text."""
    return GRID + "".join(
        f"  - {{id: {letter}{number}, text: {text}, {claim}}}\n" for number, claim in enumerate(claims, 1)
    )
