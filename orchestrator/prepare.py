"""Makes every data set of a plan ready before anything is started, so that what is wrong with it is found first."""

from orchestrator.grid.data import LocatedData, place_of
from orchestrator.grid.problems import Problems
from orchestrator.plan import Plan
from orchestrator.progress import Progress
from trainables.data.contents import contents
from trainables.data.division import Division, divided
from trainables.dataset import DataPlace
from trainables.errors import DataError
from trainables.spec import derived_seeds


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
            problems.add(place_of(error, data.level), str(error))
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
    splits, seed = plan.grid.protocol.splits, plan.grid.seeds[0]
    split_seed = derived_seeds(seed).split
    return divided(data.dataset, found.examples, found.hashes, data.info.classes, splits, split_seed, seed)
