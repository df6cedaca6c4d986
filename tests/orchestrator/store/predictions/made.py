"""Predictions of trials that nobody trained, through the real journal."""

from dataclasses import replace

import numpy as np

from orchestrator.store.journal import Journal
from orchestrator.store.paths import ResultsPaths
from orchestrator.store.predictions import waiting
from orchestrator.store.tables import export
from tests.orchestrator import sample
from trainables.records import Predictions
from trainables.task import Answers
from trainables.training.predictions import SplitExamples, pack_answers

EXAMPLES = 300
SPLIT = "5" * 16
TARGETS = np.arange(EXAMPLES, dtype=np.float32) % 10


def answers(seed: int) -> Answers:
    """Half of them right."""
    generator = np.random.default_rng(seed)
    guesses = generator.integers(0, 10, EXAMPLES).astype(np.float32)
    return Answers(np.where(generator.random(EXAMPLES) < 0.5, TARGETS, guesses), TARGETS, generator.random(EXAMPLES))


def predictions(seed: int, split_id: str = SPLIT, *, split: bool = True) -> Predictions:
    examples = SplitExamples(TARGETS, None, [f"{number}.png" for number in range(EXAMPLES)])
    return Predictions(split_id, EXAMPLES, pack_answers(answers(seed)), examples.packed() if split else None)


def add(paths: ResultsPaths) -> None:
    """Give all trials of results some that have none."""
    journal = Journal.create_or_open(paths.journal)
    ended = list(journal.query("SELECT trial_id, attempts, seed FROM trials WHERE status = 'completed'"))
    for trial_id, attempt, seed in ended:
        waiting.keep(journal._db, trial_id, attempt, predictions(seed))
        journal._update_trial(trial_id, {"split_id": SPLIT})
    journal.commit()
    journal.predictions_written(export(journal, paths))
    journal.close()


def complete(
    journal: Journal,
    cell: sample.Cell,
    seed: int,
    attempt: int = 1,
    *,
    said: Predictions | None = None,
    kept: bool = True,
) -> str:
    """The id of a trial that has ended. said: what is usual for its seed when None. kept: False leaves none."""
    usual = said or predictions(seed)
    sample.complete(
        journal,
        cell,
        seed,
        0.5,
        attempt,
        change=lambda ended: replace(ended, predictions=usual if kept else None),
    )
    return cell.trial_id(seed)
