"""What a grid says of its seeds: which there are, or how many at most, and what of a trial they vary."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field, PlainValidator

from clusters.yaml_file import YamlList, YamlMapping
from orchestrator.grid.looks import MOST
from orchestrator.grid.mistakes import Gathering, Mistake, mistake, near, shown
from orchestrator.grid.settings import Section
from trainables.spec import SOURCES, Source

MAX_SEED: Final = 2**63 - 1
"""What the integer column of the tables holds."""


class GridSeeds(NamedTuple):
    """The seeds of a grid's cells."""

    values: Sequence[int]
    """All different, none negative. Where seeds are added until claims are decided, all that there may be."""
    vary: tuple[Source, ...] = SOURCES
    """What differs from seed to seed, in the order of `SOURCES`; all else is as the first seed has it."""
    most: int | None = None
    """So many at most, where they are added until claims are decided; None where their number is fixed."""


class VariedSeeds(Section):
    """Seeds that vary only some of what a seed decides."""

    count: Annotated[int, Field(ge=1, le=MAX_SEED)]
    """How many: 0, 1, ..."""
    vary: Annotated[tuple[Source, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})] = SOURCES
    """What differs from seed to seed: the split, initial weights, the order of examples, what is drawn while training."""


class SeedsUntilDecided(Section):
    """Seeds that are added until the grid's claims are decided."""

    until: Literal["decided"]
    """A cell gets no more seeds once every claim about it is decided."""
    most: Annotated[int, Field(ge=2, le=MOST)]
    """How many seeds a cell has at most."""
    vary: Annotated[tuple[Source, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})] = SOURCES
    """What differs from seed to seed, as beside `count`."""


def _seeds(written: Any) -> GridSeeds:
    if isinstance(written, YamlMapping):
        return _until(written) if {"until", "most"} & written.keys() else _varied(written)
    if not isinstance(written, YamlList):
        if _is_count(written):
            return GridSeeds(range(written))
        raise mistake(f"seeds has to be a whole number of at least 1, or a list of seeds, not {_seed(written)}")
    return GridSeeds(_listed(written))


def _listed(written: YamlList) -> tuple[int, ...]:
    if not written:
        raise mistake("seeds is an empty list; write at least one")
    seeds: dict[int, None] = {}
    with Gathering() as gathering:
        for index, seed in enumerate(written):
            if not _is_whole(seed) or not 0 <= seed <= MAX_SEED:
                message = f"a seed has to be a whole number of at least 0, not {_seed(seed)}"
                gathering.add(Mistake(message, (index,)))
            elif seed in seeds:
                gathering.add(Mistake(f"the seed {seed} appears twice", (index,)))
            else:
                seeds[seed] = None
    return tuple(seeds)


def _varied(written: YamlMapping) -> GridSeeds:
    known = tuple(VariedSeeds.model_fields)
    with Gathering() as gathering:
        gathering.known(written, known, "key of seeds")
        if "count" not in written:
            gathering.add(Mistake("seeds needs count, how many there are"))
        elif not _is_count(written["count"]):
            message = f"seeds.count has to be a whole number of at least 1, not {_seed(written['count'])}"
            gathering.add(Mistake(message, ("count",)))
        vary = SOURCES
        with gathering.below("vary"):
            vary = _sources(written["vary"]) if "vary" in written else SOURCES
    return GridSeeds(range(written["count"]), vary)


def _until(written: YamlMapping) -> GridSeeds:
    most: Any = written.get("most")
    with Gathering() as gathering:
        if "count" in written:
            message = "seeds has count and until; keep count for a fixed number, or until and most"
            gathering.add(Mistake(message, ("count",), of_key=True))
        gathering.known([key for key in written if key != "count"], SeedsUntilDecided.model_fields, "key of seeds")
        if "until" not in written:
            message = "seeds.most goes with until: decided; a fixed number of seeds is count"
            gathering.add(Mistake(message, ("most",), of_key=True))
        elif written["until"] != "decided":
            message = f"seeds.until has to be decided, not {shown(written['until'])}"
            gathering.add(Mistake(message, ("until",)))
        if "most" not in written:
            gathering.add(Mistake("seeds needs most, how many seeds a cell has at most, such as most: 40"))
        elif not _is_whole(most) or not 2 <= most <= MOST:
            message = f"seeds.most has to be a whole number from 2 to {MOST:,}, not {shown(most)}"
            gathering.add(Mistake(message, ("most",)))
        vary = SOURCES
        with gathering.below("vary"):
            vary = _sources(written["vary"]) if "vary" in written else SOURCES
    return GridSeeds(range(written["most"]), vary, written["most"])


def _sources(written: Any) -> tuple[Source, ...]:
    if not isinstance(written, list) or not written:
        raise mistake(f"seeds.vary has to be a list of {', '.join(SOURCES)}")
    with Gathering() as gathering:
        for index, source in enumerate(written):
            if source not in SOURCES:
                message = f"unknown source of variance {shown(source)}; {near(str(source), SOURCES)}"
                gathering.add(Mistake(message, (index,)))
            elif source in written[:index]:
                gathering.add(Mistake(f"{source} appears twice in seeds.vary", (index,)))
    return tuple(source for source in SOURCES if source in written)


def _seed(value: Any) -> str:
    """What was written for seeds, with the bound that it breaks where nobody would guess that."""
    too_great = _is_whole(value) and value > MAX_SEED
    return f"{shown(value)}; the largest seed is {MAX_SEED}" if too_great else shown(value)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and 1 <= value <= MAX_SEED


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_Seeds = (
    Annotated[int, Field(ge=1)]
    | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
    | VariedSeeds
    | SeedsUntilDecided
)
SeedsField = Annotated[GridSeeds, PlainValidator(_seeds, json_schema_input_type=_Seeds)]
