"""Models with weights in a plan: found, identified by content, and told with file and line where they cannot be used."""

import pickle
from pathlib import Path

import pytest
import torch

from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from orchestrator.plan.plan import Plan
from trainables.dataset import DataInfo, DataLocation
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.training.weights import save_weights
from trainables.training.weights_origin import WeightsOrigin

DIGITS = DataInfo("digits", "image", (1, 8, 8), "classification", tuple("0123456789"))


def plan(folder: Path, *models: str, rest: str = "") -> Plan:
    path = folder / "grid.yaml"
    lines = "\n".join(f"    - {model}" for model in models)
    path.write_text(
        f"name: demo\naxes:\n  dataset: digits\n  optimizer: adam\n  model:\n{lines}\n{rest}\n", encoding="utf-8"
    )
    return Plan(read_grid(path), DataLocation(data=None, beside=folder, cache=folder / "cache"))


def kept(path: Path, model: Cnn | Mlp, seed: int = 0) -> None:
    torch.manual_seed(seed)
    origin = WeightsOrigin(model=model, shape=(1, 8, 8), mean=(0.3,), std=(0.4,))
    save_weights(model.build(DIGITS, 10).state_dict(), path, origin.metadata())


def problems(folder: Path, *models: str, rest: str = "") -> list[str]:
    with pytest.raises(GridError) as caught:
        list(plan(folder, *models, rest=rest).cells())
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_weights_that_cannot_be_used_are_reported_where_they_stand(tmp_path: Path) -> None:
    kept(tmp_path / "mlp.safetensors", Mlp(hidden=(4,)))
    torch.save({"a": torch.ones(2)}, tmp_path / "pickle.pt")
    (tmp_path / "lie.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    found = problems(
        tmp_path,
        "{name: 'pretrained:safetensors', weights: absent.safetensors}",
        "{name: 'pretrained:safetensors', weights: pickle.pt}",
        "{name: 'pretrained:safetensors', weights: lie.safetensors}",
        "{name: 'pretrained:safetensors', weights: mlp.safetensors, model: {name: mlp, hidden: 5}}",
        "{name: 'pretrained:resnet18', weights: [none, mlp.safetensors]}",
        "{name: 'pretrained:safetensors', weights: mlp.safetensors}",
    )
    assert [line.partition(": ")[0] for line in found] == [
        f"grid.yaml:{line}:{column}" for line, column in ((6, 40), (7, 40), (8, 40), (9, 40), (10, 37))
    ]
    message = (
        "are not there",
        "is a pickle",
        "header is said to take",
        "another network than mlp",
        "another network than resnet18",
    )
    assert all(text in line for text, line in zip(message, found, strict=True))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "'pretrained:resnet81'",
            "grid.yaml:6:7: unknown model 'pretrained:resnet81'; did you mean pretrained:resnet18",
        ),
        ("{name: 'pretrained:resnet18', weights: imagnet}", "grid.yaml:6:7: pretrained:resnet18: "),
        ("{name: 'pretrained:resnet18', tune: some}", "grid.yaml:6:43: tune has to be one of frozen, last, all"),
        ("'pretrained:safetensors'", "grid.yaml:6:7: pretrained:safetensors needs weights"),
        (
            "{name: 'pretrained:safetensors', weights: a.safetensors, model: {name: mpl}}",
            "grid.yaml:6:71: model: unknown model 'mpl'",
        ),
    ],
)
def test_what_is_wrong_with_a_parameter_is_reported_where_it_stands(tmp_path: Path, model: str, message: str) -> None:
    (found,) = problems(tmp_path, model)
    assert found.startswith(message)


def test_identities_are_those_of_what_a_worker_is_handed(tmp_path: Path) -> None:
    kept(tmp_path / "a.safetensors", Mlp(hidden=(4,)))
    kept(tmp_path / "b.safetensors", Mlp(hidden=(4,)), seed=1)
    kept(tmp_path / "c.safetensors", Mlp(hidden=(4,)), seed=2)
    rest = "overrides: [{when: {optimizer: adam}, set: {model.weights: c.safetensors}}]"
    for after in ("", rest):
        planned = plan(
            tmp_path,
            "{name: 'pretrained:safetensors', weights: [a.safetensors, b.safetensors], tune: [frozen, all]}",
            rest=after,
        )
        trials = list(planned.trials())
        assert len({trial.trial_id for trial in trials}) == len(trials) == (2 if after else 4)
        for trial in trials:
            spec = trial.cell.spec(trial.seed)
            assert spec.trial_id == trial.trial_id
            assert spec == pickle.loads(pickle.dumps(spec))
            assert Path(spec.model.parameters()["weights"]).is_absolute()
        assert planned.counts().cells == len(trials)


def test_labels_and_rules_go_by_what_stands_in_the_grid(tmp_path: Path) -> None:
    kept(tmp_path / "a.safetensors", Mlp(hidden=(4,)))
    kept(tmp_path / "b.safetensors", Mlp(hidden=(4,)), seed=1)
    planned = plan(
        tmp_path,
        "{name: 'pretrained:safetensors', weights: [a.safetensors, b.safetensors]}",
        rest="exclude: [{model: {name: 'pretrained:safetensors', weights: b.safetensors}}]",
    )
    assert [(cell.model.label, cell.skip) for cell in planned.cells()] == [
        ("pretrained:safetensors(weights=a.safetensors)", None),
        ("pretrained:safetensors(weights=b.safetensors)", "excluded by exclude[0]"),
    ]


def test_the_same_weights_in_two_files_are_one_cell(tmp_path: Path) -> None:
    kept(tmp_path / "a.safetensors", Mlp(hidden=(4,)))
    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes())
    planned = plan(tmp_path, "{name: 'pretrained:safetensors', weights: [a.safetensors, b.safetensors]}")
    assert planned.counts().cells == len(list(planned.cells())) == 1
    named = plan(tmp_path, "{name: 'pretrained:resnet18', weights: [default, IMAGENET1K_V1]}")
    assert named.counts().cells == len(list(named.cells())) == 1


def test_weights_to_be_downloaded_are_missing_and_all_else_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    planned = plan(tmp_path, "{name: 'pretrained:resnet18', size: [64, 96]}", "{name: 'pretrained:vit_b_16', size: 96}")
    assert [message.partition(" were")[0] for message in planned.missing] == [
        "the weights of pretrained:resnet18",
        "the weights of pretrained:vit_b_16",
    ]
    reasons = [cell.skip for cell in planned.cells()]
    assert reasons[:2] == [None, None] and reasons[2] is not None and "cannot read images of 96x96" in reasons[2]
    assert planned.counts().cells == 3
