"""Makes every data set of a plan ready before anything is started, so that what is wrong with it is found first."""

from orchestrator.grid.data import LocatedData, add_each
from orchestrator.grid.problems import Problems
from orchestrator.plan import Plan
from orchestrator.progress import Progress
from trainables.data.contents import contents
from trainables.data.division import Division
from trainables.data.faults import with_split_faults
from trainables.dataset import DataPlace
from trainables.errors import DataError, DataErrors


def prepare_data(plan: Plan, place: DataPlace, progress: Progress) -> dict[str, int]:
    """Decode and split every data set that is used. Label of the level to the examples that a trial trains on.

    Raises GridError, at the data set's place in the grid: a picture that cannot be read, too few examples to split, more
    of each class asked for than there are.
    """
    problems = Problems(plan.grid.path)
    examples: dict[str, int] = {}
    for data in plan.data:
        if data.unsupported is not None:
            continue
        progress.note(f"data: {data.level.label}")
        try:
            division = _divided(data, place, plan)
        except DataError as error:
            told = with_split_faults(error, data.dataset, place, plan.dividing)
            add_each(problems, DataErrors(told), data.level)
        else:
            examples[data.level.label] = len(division.split.train)
    problems.raise_if_any()
    return examples


def _divided(data: LocatedData, place: DataPlace, plan: Plan) -> Division:
    """For the first seed. Raises DataError."""
    assert data.fingerprint is not None and data.info is not None, "a sweep has fetched what was missing"
    found = contents(data.dataset, place, data.fingerprint)
    if data.dataset.under_options(found.info) != data.info:
        raise DataError(f"{data.level.label} changed while it was looked at; start again when nothing writes to it")
    return plan.dividing.of(data.dataset, found.examples, found.hashes, data.info.classes)
