"""A trial's net written for other programs: `orch export RESULTS TRIAL FILE`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from orchestrator.errors import UserError
from orchestrator.results.export_readme import readme
from orchestrator.results.trial_net import TrialWithNet, data_of, net_inputs, not_usable
from trainables import NOTHING_MADE
from trainables.data.files import replace_whole
from trainables.dataset import DataLocation
from trainables.errors import TrainablesError, said_by
from trainables.interfaces import Deployment
from trainables.registry import nested, registry

if TYPE_CHECKING:
    from trainables.stages.inputs import NetInputs
    from trainables.stages.net_file import NetFile
    from trainables.stages.parity import Parity
    from trainables.training.prepare import Prepared

_EXPORT: Final = "export"
FORMATS: Final = {"onnx": ".onnx", "torch_export": ".pt2"}
"""With how their files' names end."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a net is to be written, and how."""

    file: Path
    form: str
    level: Deployment | None
    """What is made of the net for it."""

    @property
    def readme(self) -> Path:
        return self.file.with_name(f"{self.file.stem}.README.md")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, and how it compares."""

    parities: Sequence["Parity"]
    on: str
    """What was compared on, in words."""


def target(file: Path, form: str | None, level: str | None, root: Path, *, force: bool) -> Target:
    """form: a name of `FORMATS`, or None where the file's name says it; level: as a grid has it. root: the results.

    Raises UserError where nothing can or may be written there.
    """
    by_name = next((name for name, ending in FORMATS.items() if file.suffix == ending), None)
    chosen = form or by_name
    if chosen is None:
        named = " or ".join(FORMATS.values())
        raise UserError(f"the name {file} does not say which format: end it in {named}, or give --format")
    found = Target(file, chosen, None if level is None else _level(level))
    if not file.parent.is_dir():
        raise UserError(f"there is no folder {file.parent}; make it, or name another")
    if file.parent.resolve().is_relative_to(root.resolve()):
        raise UserError(
            f"{file} lies in the results directory, which holds what its sweep has written; name another place"
        )
    for path in (found.file, found.readme):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UserError(f"{path} is no file of its own; name another")
        if path.exists() and not force:
            raise UserError(f"{path} is there already; --force writes over it")
    return found


def _level(text: str) -> Deployment | None:
    """Raises UserError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        component = nested("deployment", YAML(typ="safe").load(text))
    except (ValueError, YAMLError, TrainablesError) as wrong:
        raise UserError(f"--deployment {text}: {_first_of(wrong)}") from wrong
    if component.name == _EXPORT:
        raise UserError(f"--deployment {text}: it is what this command does; --format says how")
    return None if component.name == NOTHING_MADE else cast(Deployment, component)


def _first_of(wrong: Exception) -> str:
    from pydantic import ValidationError

    if isinstance(wrong, ValidationError):
        first = wrong.errors(include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return said_by(wrong)


def export(found: TrialWithNet, to: Target, location: DataLocation) -> Written:
    """Write the file and what it says of itself, whole or not at all. location: where the data set is looked for, on whose
    test split the file is compared with the net; where it is not there, on random pixels.

    Raises UserError, DamagedResults.
    """
    from trainables.stages.net_file import parity_of, stores_bytes

    if found.kept.parent is not None and to.level is not None:
        raise UserError(f"trial {found.trial_id} is a variant, of which no other is made; name its parent")
    try:
        export_level = registry.get("deployment", _EXPORT).from_parameters({"format": to.form})
        assert isinstance(export_level, Deployment)
        inputs = net_inputs(found, location)
        _refuse_unsupported(found, inputs, (export_level, to.level))
        data = _data(found, location, needed=to.level is not None)
        made = _made(found, to, inputs, data, export_level)
        compared = data if data is not None and stores_bytes(data) else None
        parities = parity_of(made, found.kept.spec, inputs, compared)
    except TrainablesError as unfit:
        raise not_usable(found, unfit) from unfit
    on = "random pixels, as its data set is not here" if compared is None else "the test split"
    if made.same and not all(each.is_same for each in parities):
        worst = max(parities, key=lambda each: each.max_abs_difference)
        raise UserError(
            f"what was exported differs by {worst.max_abs_difference:.3g} from the net, whose outputs reach"
            f" {worst.scale:.3g}, on {on}: nothing is written"
        )
    written = Written(parities, on)
    try:
        replace_whole(made.content, to.file)
        replace_whole(readme(found, to.file, to.form, to.level, inputs, written.parities, on).encode(), to.readme)
    except OSError as refused:
        raise UserError(f"cannot write {to.file}: {refused.strerror or refused}; name another place") from refused
    return written


def _made(
    found: TrialWithNet, to: Target, inputs: "NetInputs", data: "Prepared | None", export_level: Deployment
) -> "NetFile":
    from trainables.stages.net_file import made, written

    if to.level is not None:
        assert data is not None
        return made(found.kept.spec, inputs, found.weights, data, to.level, export_level)
    return written(found.kept.spec, inputs, found.weights, found.file, export_level)


def _data(found: TrialWithNet, location: DataLocation, *, needed: bool) -> "Prepared | None":
    try:
        return data_of(found, location)
    except UserError:
        if needed:
            raise
        return None


def _refuse_unsupported(found: TrialWithNet, inputs: "NetInputs", levels: tuple[Deployment | None, ...]) -> None:
    for level in levels:
        if level is not None and (reason := level.unsupported_reason(inputs.info, found.kept.spec.model)) is not None:
            raise UserError(f"trial {found.trial_id} cannot be exported so: {reason}")
