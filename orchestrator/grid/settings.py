"""What a grid sets apart from its axes: what a trial needs, where W&B runs go, how often its state is kept."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from clusters.yaml_file import At, YamlMapping
from orchestrator.grid.mistakes import as_mistakes, flattened
from trainables.protocol import Protocol, SecondsOrNone

Mode = Literal["auto", "online", "offline", "disabled"]
"""How W&B is written to."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where runs go, and of what."""

    project: str
    entity: str | None = None
    runs: Literal["trials", "cells"] = "trials"
    live: Literal["auto", "on", "off"] = "auto"
    tags: tuple[str, ...] = ()
    notes: str | None = None
    artifacts: Literal["best", "none"] = "none"
    alert: Literal["end", "failures", "none"] = "none"


def _share_or_whole(gpus: float) -> float:
    if gpus > 1 and gpus != int(gpus):
        raise ValueError(f"gpus is a share below 1 or a whole number, not {gpus:g}")
    return gpus


def _no_address(name: str) -> str:
    if bad := sorted(set("/\\#?%:") & set(name)):
        raise ValueError(f"it must not contain {' '.join(bad)}; W&B refuses it")
    return name


def _each_once(tags: Sequence[str]) -> Sequence[str]:
    if twice := sorted({tag for tag in tags if tags.count(tag) > 1}):
        raise ValueError(f"tags has {', '.join(twice)} twice")
    return tags


def _one_line(text: str) -> str:
    """What a line of a grid cannot hold may stand in the grid that a results directory brings along."""
    if text != text.strip() or not text.isprintable():
        raise ValueError("it has to be one line, without spaces around it")
    return text


Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_line), AfterValidator(_no_address)]
Tag = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_line)]
"""As long as W&B takes it."""


class Section(BaseModel):
    """A section of the grid, validated strictly."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True, defer_build=True)

    noun: ClassVar[str] = "key of {}"
    """What its keys are called where one is not known."""
    lacking: ClassVar[Mapping[str, str]] = {}
    """What is said to be needed where a key is not there, if more than the key."""


class Resources(Section):
    """What one trial needs."""

    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that train it together, data-parallel."""
    cpus: Annotated[int, Field(ge=1)] = 1
    """Of each worker."""
    gpus: Annotated[float, Field(ge=0), AfterValidator(_share_or_whole)] = 0.0
    """Of each worker; below 1 is a share of one."""


class Wandb(Section):
    """Where W&B runs go."""

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """`auto` is online with a key and offline without."""
    project: Name | None = None
    """The sweep's name when not given."""
    entity: Name | None = None
    """User or team; the key's default when not given."""
    runs: Literal["trials", "cells"] = "trials"
    """`cells` sends one run per cell, with the mean, minimum and maximum of its seeds; for large sweeps."""
    live: Literal["auto", "on", "off"] = "auto"
    """Whether a run is sent while its trial trains; `auto`: where that takes longer than a minute."""
    tags: Annotated[tuple[Tag, ...], Field(strict=False), AfterValidator(_each_once)] = ()
    """Of every run, beside those that it has anyway."""
    notes: Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_one_line)] | None = None
    """Of every run, in one line."""
    artifacts: Literal["best", "none"] = "none"
    """`best` sends the weights that trials keep (`protocol.keep_weights: best`), the winner's with the alias `best`."""
    alert: Literal["end", "failures", "none"] = "none"
    """`end`: one alert, when all trials have ended; `failures`: one, when the first of them has failed."""

    def destination(self, sweep: str) -> Destination:
        return Destination(self.project or sweep, **self.model_dump(exclude={"mode", "project"}))


class CheckpointPolicy(Section):
    """How often the state of a running trial is kept, so that it can resume. `none` keeps nothing."""

    seconds: SecondsOrNone = 5.0
    """Least time between two checkpoints of a trial, each after a whole epoch; 0 means after every epoch."""
    keep: Literal["unfinished", "last", "best"] = "unfinished"
    """`unfinished`: the last one, until the trial has ended; `last`: afterwards too; `best`: the selected
    epoch's too."""


SECTIONS: Final[dict[str, type[BaseModel]]] = {"protocol": Protocol, "resources": Resources}
"""What overrides can change."""


class Setting(NamedTuple):
    """What an override sets in a section."""

    keys: tuple[str, ...]
    """From the section down."""
    key_at: At
    value: Any
    at: At


def changed(section: str, written: Any, settings: Iterable[Setting]) -> BaseModel:
    """A protocol or resources with what overrides set in it. written: the section in the file. Raises Mistakes."""
    whole = written if isinstance(written, YamlMapping) else None
    for setting in settings:
        whole = _overlaid(whole, setting)
    if whole is None:
        return SECTIONS[section]()
    try:
        return SECTIONS[section].model_validate(whole)
    except ValidationError as error:
        raise as_mistakes(flattened(error), whole, whole.at, section, SECTIONS[section]) from None


def _overlaid(section: YamlMapping | None, setting: Setting) -> YamlMapping:
    """A section as it is written, with one value in it replaced, or added."""
    made = YamlMapping(setting.key_at) if section is None else section.without()
    key, *below = setting.keys
    value = setting.value
    if below:
        inner = made.get(key)
        value = _overlaid(inner if isinstance(inner, YamlMapping) else None, setting._replace(keys=tuple(below)))
    made.put(key, setting.key_at, value, setting.at if not below else value.at)
    return made
