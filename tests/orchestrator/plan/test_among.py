"""The cells of a plan that a journal has already, found by their ids."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from orchestrator.plan.cell import Cell
from orchestrator.plan.plan import Plan
from trainables import registry
from trainables.dataset import DataLocation
from trainables.models.mlp import Mlp
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin


def plan(
    folder: Path,
    rest: str = "",
    *,
    model: str = "mlp",
    optimizer: str = "{name: sgd, lr: [0.1, 0.2]}",
    regularizer: str = "none",
) -> Plan:
    path = folder / "grid.yaml"
    axes = f"dataset: digits, model: {model}, optimizer: {optimizer}, regularizer: {regularizer}"
    path.write_text(f"name: demo\naxes: {{{axes}}}\n{rest}\n", encoding="utf-8")
    return Plan(read_grid(path), DataLocation(data=None, beside=folder, cache=folder / "cache"))


def found(planned: Plan, cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """The kept cells of a plan: ids and labels, in order."""
    ids = {cell.cell_id for cell in cells}
    return [(cell.cell_id, cell.label) for cell in planned.among(ids)]


MODELS = (
    "mlp",
    "{name: mlp, hidden: [[4], [8, 4], 128]}",
    "{name: lstm, hidden: [8, 16]}",
    "{name: lstm, hidden: 8, read: [rows, patches], patch: [2, 4]}",
    "{name: cnn, channels: [[8], [8, 16]], pool_stride: [null, 1]}",
)
OPTIMIZERS = (
    "sgd",
    "{name: sgd, lr: [0.1, 1, 1e-3], momentum: [0, 0.9]}",
    "{name: sgd, lr: [1.0, 0.2], weight_decay: [0, 0.01], dampening: [0.0, 0.1]}",
    "{name: adam, betas: [[0.9, 0.99], [0.8, 0.9]], amsgrad: [false, true]}",
)
REGULARIZERS = (
    "none",
    "dropout",
    "{name: dropout, p: [0.1, 0.5]}",
    "[none, {name: dropout, p: [0.1, 0.2]}]",
    "[{name: weight_decay, value: [0.1, 0.01]}, dropout]",
    "[{name: dropout, p: [0.1, 0.5]}, {name: weight_decay, value: 0.1}]",
)
RULES = (
    "",
    "exclude: [{model: mlp, optimizer: {name: sgd, lr: 0.1}}]",
    "exclude: [{optimizer: sgd}]\ninclude: [{dataset: digits, model: mlp, optimizer: {name: sgd, lr: [0.1, 0.2]}}]",
    "include: [{dataset: digits, model: [lstm, {name: mlp, hidden: [4]}], optimizer: adam, regularizer: dropout}]",
    "overrides: [{when: {optimizer: {name: sgd, lr: 1}}, set: {protocol.epochs: 3}}]",
    "overrides: [{when: {model: lstm}, set: {optimizer.lr: 0.1}}]",
    "overrides: [{when: {model: mlp}, set: {model.hidden: [4], regularizer.p: 0.5}}]",
    "zip: [[model, optimizer]]",
    "zip: [[optimizer, regularizer]]",
)


def some(levels: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(levels), min_size=1, max_size=3).map(lambda chosen: f"[{', '.join(chosen)}]")


GRIDS = st.fixed_dictionaries({"model": some(MODELS), "optimizer": some(OPTIMIZERS), "regularizer": some(REGULARIZERS)})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(earlier=GRIDS, later=GRIDS, rules=st.sampled_from(RULES), before=st.sampled_from(RULES), data=st.data())
def test_what_is_found_is_what_the_whole_grid_has(
    tmp_path: Path, earlier: dict[str, str], later: dict[str, str], rules: str, before: str, data: st.DataObject
) -> None:
    try:
        ran, planned = plan(tmp_path, before, **earlier), plan(tmp_path, rules, **later)
    except GridError:  # zipped axes of unequal length
        return
    every = list(ran.cells())
    cells = data.draw(st.lists(st.sampled_from(every), max_size=4)) if data.draw(st.booleans()) else every
    later_ids = {cell.cell_id for cell in planned.cells() if cell.skip is None}
    among = found(planned, cells)
    assert {cell_id for cell_id, _ in among} == later_ids & {cell.cell_id for cell in cells}


def test_weights_are_known_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, name in ((here, "a"), (there, "b")):
        folder.mkdir()
        model = Mlp(hidden=(4,))
        origin = WeightsOrigin(model=model, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
        planned = plan(here)
        state = model.build(next(planned.cells()).data.info, 10).state_dict()
        for values in state.values():
            values.fill_(0.5)
        save_weights(state, folder / f"{name}.safetensors", origin.metadata())
    cells = list(plan(here, model="{name: 'pretrained:safetensors', weights: a.safetensors}").cells())
    planned = plan(there, model="{name: 'pretrained:safetensors', weights: b.safetensors}")
    assert len(found(planned, cells)) == 2


PLUGIN = """
import json
from trainables.models.mlp import Mlp
from trainables.optimizers.sgd import Sgd

class Rounding(Sgd):
    name = "rounding"

    def _identity(self):
        values = super()._identity()
        return {**values, "lr": round(values["lr"], 1)}

class Reading(Sgd):
    name = "reading"

    def canonical(self):
        return json.dumps({"reading": [round(self.lr, 1), self.momentum]})

class Found(Mlp):
    name = "found"
    content: str = ""

    def located(self, place):
        return self.model_copy(update={"content": "what is there"})
"""


@pytest.fixture
def _plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path / "site"
    described = site / "own_form-1.0.dist-info"
    described.mkdir(parents=True)
    (site / "own_form.py").write_text(PLUGIN)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: own_form\nVersion: 1.0\n")
    (described / "entry_points.txt").write_text(
        "[orch.optimizers]\nrounding = own_form:Rounding\nreading = own_form:Reading\n"
        "\n[orch.models]\nfound = own_form:Found\n"
    )
    monkeypatch.syspath_prepend(site)
    registry._plugins.cache_clear()
    registry._entry_points.cache_clear()
    yield
    registry._plugins.cache_clear()
    registry._entry_points.cache_clear()


@pytest.mark.usefixtures("_plugins")
@pytest.mark.parametrize("name", ["rounding", "reading"])
def test_a_component_with_an_identity_of_its_own_is_found_by_it(tmp_path: Path, name: str) -> None:
    cells = list(plan(tmp_path, optimizer=f"{{name: {name}, lr: 0.1001}}").cells())
    planned = plan(tmp_path, optimizer=f"[{{name: {name}, lr: [0.1, 0.2]}}, {{name: sgd, lr: 0.1}}]")
    (same,) = planned.among({cell.cell_id for cell in cells})
    assert same.optimizer.config.parameters()["lr"] == 0.1


@pytest.mark.usefixtures("_plugins")
def test_a_model_that_is_another_once_it_is_found_is_known_by_what_it_is_then(tmp_path: Path) -> None:
    planned = plan(tmp_path, model="[mlp, {name: found, hidden: [[4], [5]]}]")
    cells = [cell for cell in planned.cells() if cell.model.label == "found(hidden=4)"]
    assert [cell_id for cell_id, _ in found(planned, cells)] == [cell.cell_id for cell in cells]
