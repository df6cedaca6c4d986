"""Makes every data set of a plan ready before anything is started, so that what is wrong with it is found first."""

from orchestrator.grid.problems import Problems
from orchestrator.plan import Plan
from orchestrator.progress import Progress
from trainables.data.cache import content_hashes, decoded
from trainables.data.splits import split
from trainables.dataset import DataPlace
from trainables.errors import DataError
from trainables.spec import derived_seeds


def prepare_data(plan: Plan, place: DataPlace, progress: Progress) -> dict[str, int]:
    """Decode and split every data set. Fingerprint to number of examples.

    Raises GridError, at the data set's place in the grid: a picture that cannot be read, too few examples to split.
    """
    problems = Problems(plan.grid.path)
    examples: dict[str, int] = {}
    for data in plan.data:
        assert data.fingerprint is not None and data.info is not None, "a sweep has fetched what was missing"
        progress.note(f"data: {data.level.label}")
        try:
            found = decoded(data.dataset, place, data.fingerprint)
            hashes = content_hashes(data.dataset, place, data.fingerprint)
            seed = derived_seeds(plan.grid.seeds[0]).split
            split(found, hashes, bool(data.info.classes), plan.grid.protocol.splits, seed)
        except DataError as error:
            problems.add(data.level.parts[0].at("path"), str(error))
        else:
            examples[data.fingerprint] = len(found)
    problems.raise_if_any()
    return examples
