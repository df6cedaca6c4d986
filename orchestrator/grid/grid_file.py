"""A whole grid file, as it is read: each section with its type, in the order in which they are checked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, field_validator, model_validator

from clusters.yaml_file import At, YamlList
from orchestrator.grid.axes import WrittenAxes, WrittenCell, read_before
from orchestrator.grid.claims import Claim
from orchestrator.grid.measurements import measurements
from orchestrator.grid.mistakes import Gathering, Mistake, mistake, near, shown
from orchestrator.grid.rules import Exclude, ExcludeField, Override, OverrideField, labels_of, set_by
from orchestrator.grid.seeds import MAX_SEED, GridSeeds, SeedsField
from orchestrator.grid.settings import CheckpointPolicy, Resources, Section, Wandb
from orchestrator.grid.tuning import TuningSpec
from orchestrator.grid.updating import UpdateSpec, checked
from trainables import AXES
from trainables.columns import ClassMeasure
from trainables.interfaces import Measurement
from trainables.protocol import LAST, Protocol
from trainables.task import tasks

_MAX_CLAIMS: Final = 500
_MAX_FAMILY: Final = 100_000
"""Of one grid; a family of more decides nothing."""
_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_NEVER_EMPTY: Final = frozenset({"name", "axes", "seeds"})
Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], Field(strict=False)]
Rule = TypeVar("Rule", Exclude, Override)


def _name(written: Any) -> str:
    if isinstance(written, str) and re.fullmatch(_NAME, written):
        return str(written)
    hint = " (in quotes, a number is text)" if isinstance(written, int | float) else ""
    raise mistake(
        f"{shown(written)} is not a valid name for a sweep{hint}: a letter or digit first, then letters, digits and . _ -, "
        "at most 100 characters"
    )


def _zips(written: Any) -> tuple[tuple[str, ...], ...]:
    seen: set[str] = set()
    with Gathering() as gathering:
        for index, group in enumerate(written if isinstance(written, YamlList) else [written]):
            if not isinstance(group, YamlList) or len(group) < 2:
                message = "zip is a list of lists of two or more axes, such as [[model, optimizer]]"
                gathering.add(Mistake(message, (index,)))
            for place, name in enumerate(group if isinstance(group, YamlList) else [group]):
                if name == "deployment":
                    message = "deployment cannot be zipped: each of its levels is made of the same trained nets"
                    gathering.add(Mistake(message, (index, place)))
                elif name not in AXES:
                    gathering.add(Mistake(f"unknown axis {shown(name)}; {near(str(name), AXES)}", (index, place)))
                elif name in seen:
                    gathering.add(Mistake(f"the axis {name} is zipped twice", (index, place)))
                seen.add(str(name))
    return tuple(tuple(map(str, group)) for group in written)


def _policy(written: Any) -> Any:
    if isinstance(written, dict | list):
        return written
    if written != "none":
        raise ValueError("checkpoints has to be none, or a mapping with the keys seconds and keep")
    return None


_Axis = Annotated[str, Field(json_schema_extra={"enum": list(AXES)})]
_Zip = Annotated[list[_Axis], Field(min_length=2, json_schema_extra={"uniqueItems": True})]


def _values(info: ValidationInfo) -> Sequence[int]:
    """The seeds; where they are wrong, as many as there are."""
    return info.data["seeds"].values if "seeds" in info.data else range(MAX_SEED)


class GridFile(Section):
    """What is trained, how it is trained, and what is claimed of the results."""

    # read with a `Reading` as its context

    lacking: ClassVar[Mapping[str, str]] = {
        "name": "a name; its results are in results/<name>",
        "axes": f"axes, a mapping with the keys {', '.join(AXES)}",
    }
    name: Annotated[str, PlainValidator(_name, json_schema_input_type=Annotated[str, Field(pattern=f"^{_NAME}$")])]
    """Of the sweep."""
    axes: WrittenAxes
    """What is combined: levels of a data set, a model, an optimizer and regularizers."""
    seeds: SeedsField = Field(default_factory=lambda: GridSeeds(range(1)))
    """How many trials each cell has (seeds 0, 1, ...), or the seeds themselves, or how many and what they vary."""
    protocol: Protocol = Field(default_factory=Protocol)
    """What all trials share: epochs, batches, splits, and which epoch is selected."""
    resources: Resources = Resources()
    """What one trial needs of a machine. Not part of a trial's identity, except for workers that train apart."""
    include: Listed[WrittenCell] = ()
    """Whole cells to add, even if they are excluded."""
    exclude: Listed[ExcludeField] = ()
    """Cells to leave out: each rule names axes, all of which must match."""
    zip: Annotated[tuple[tuple[str, ...], ...], PlainValidator(_zips, json_schema_input_type=list[_Zip])] = ()
    """Axes that are walked level by level instead of combined."""
    overrides: Listed[OverrideField] = ()
    """Other settings for some of the cells."""
    tuning: TuningSpec | None = None
    """Parameters that are tuned on validation, cell by cell, before the seeds run."""
    measure: Annotated[tuple[Measurement, ...], PlainValidator(measurements, json_schema_input_type=list[Any])] = ()
    """What is found out about each trained net: `orch list measurement`."""
    update: UpdateSpec | None = None
    """What retraining is worth on pictures that change: each cell's nets along a stream. Ranks and claims leave them out."""
    claims: Listed[Claim] = ()
    """What the results should show, stated before the grid runs."""
    family: Annotated[int, Field(ge=1, le=_MAX_FAMILY)] | None = None
    """How many claims a study of several grids makes in all: p is corrected for that many, run or not."""
    wandb: Wandb = Wandb()
    """Where Weights & Biases runs go."""
    checkpoints: Annotated[
        CheckpointPolicy | None,
        BeforeValidator(_policy, json_schema_input_type=CheckpointPolicy | Literal["none"]),
    ] = CheckpointPolicy()
    """How often the state of a running trial is kept, so that it can resume; none keeps nothing."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_sections(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A section of which everything is commented out is not given."""
        return {key: value for key, value in given.items() if value is not None or key in _NEVER_EMPTY}

    @field_validator("protocol")
    @classmethod
    def _selects_a_measure(cls, protocol: Protocol) -> Protocol:
        """A measure that no task has is a slip of the pen; one that this data's task lacks makes a skipped cell."""
        known = sorted({LAST, *(measure for task in tasks() for measure in task.selections())})
        if protocol.select is None or protocol.select in known:
            return protocol
        written = ClassMeasure.read(protocol.select)
        if written is not None:  # which classes there are, only the data say
            names = sorted({name for task in tasks() for name in task.class_selections()})
            known = [str(ClassMeasure("val_", name, written.of)) for name in names]
        if protocol.select not in known:
            message = f"unknown measure {protocol.select!r} to select on; {near(protocol.select, known)}"
            raise mistake(message, "select")
        return protocol

    @field_validator("tuning")
    @classmethod
    def _every_choice_is_run(cls, tuning: TuningSpec | None, info: ValidationInfo) -> TuningSpec | None:
        if tuning is not None and (without := tuning.without_seeds(_values(info))):
            message = f"no seed is {without[0]} modulo {tuning.repetitions}, so nothing would run with what repetition"
            raise mistake(f"{message} {without[0]} chooses; give more seeds, or fewer repetitions", "repetitions")
        return tuning

    @field_validator("update")
    @classmethod
    def _can_be_trained_again(cls, update: UpdateSpec | None, info: ValidationInfo) -> UpdateSpec | None:
        if update is not None and info.data.get("tuning") is not None:
            message = (
                "what is tuned for some pictures is not tuned for those that come later, so update goes with fixed"
            )
            raise mistake(f"{message} parameters alone; make two grids, the second with what the first has chosen")
        return None if update is None else checked(update)

    @field_validator("exclude", "overrides")
    @classmethod
    def _numbered(cls, rules: tuple[Rule, ...], info: ValidationInfo) -> tuple[Rule, ...]:
        numbered = tuple(replace(rule, name=f"{info.field_name}[{index}]") for index, rule in enumerate(rules))
        read_before(info).set_by |= set_by(numbered)
        return numbered

    @field_validator("claims", mode="before")
    @classmethod
    def _beside_the_levels(cls, given: Any, info: ValidationInfo) -> Any:
        """Where something is wrong with levels, claims are not wrong for that."""
        if isinstance(given, YamlList) and len(given) > _MAX_CLAIMS:
            message = f"the more there are, the less each can show: at most {_MAX_CLAIMS}"
            raise mistake(f"{len(given)} claims; {message}")
        if {"axes", "include", "overrides"} <= info.data.keys():
            reading = read_before(info)
            reading.labels = labels_of(reading, info.data["overrides"])
        return given

    @field_validator("claims")
    @classmethod
    def _each_id_once(cls, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        seen: dict[str, At] = {}
        with Gathering() as gathering:
            for claim in claims:
                if claim.id in seen:
                    line = seen[claim.id].line
                    message = f"the claim {claim.id} is already in line {line}; use another id"
                    gathering.add(Mistake(message, at=claim.at))
                seen.setdefault(claim.id, claim.at)
        return claims

    @field_validator("family")
    @classmethod
    def _holds_the_claims(cls, family: int | None, info: ValidationInfo) -> int | None:
        claims = len(info.data.get("claims", ()))
        if family is not None and "claims" in info.data and not claims:
            raise mistake("family says how many claims a study makes in all, but this grid makes none")
        if family is not None and family < claims:
            raise mistake(f"family is {family}, but this grid alone makes {claims} claims; count those of all grids")
        return family
