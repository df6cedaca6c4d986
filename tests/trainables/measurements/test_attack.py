"""The measurement `attack` on trained nets: that attacks attack, and what is said of nets whose gradients are masked."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from orchestrator.errors import GridError
from orchestrator.grid import read_grid
from tests.trainables.measurements.measured import found_in, in_its_place, measure, module_of, trained_on_digits
from tests.trainables.stages.nets import TrainedNet
from trainables.errors import CannotDeploy
from trainables.measurements.attack import Attack, AttackHeadlines, AttackRow, AttackTables
from trainables.models.cnn import Cnn
from trainables.stages.measurement import Findings


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> TrainedNet:
    return trained_on_digits(tmp_path_factory.mktemp("cnn"), Cnn(channels=(8, 16)))


def rows_of(found: Findings) -> dict[tuple[str, float], AttackRow]:
    assert isinstance(found.rows, AttackTables)
    return {(row.method, row.eps): row for row in found.rows.attacks}


def test_a_stronger_attack_leaves_fewer_right_answers(cnn: TrainedNet) -> None:
    result = measure(cnn, Attack(eps=(0.2, 0.1)))
    assert isinstance(result.breakdown, AttackTables)
    rows = {(row.method, row.eps): row for row in result.breakdown.attacks}
    assert list(rows) == [
        ("clean", 0.0),
        *((method, eps) for eps in (0.1, 0.2) for method in ("random", "fgsm", "pgd")),
    ]
    assert all(row.n == 359 for row in rows.values())
    assert cnn.result.test is not None
    assert rows["clean", 0.0].accuracy == getattr(cnn.result.test, "accuracy", None)
    for eps in (0.1, 0.2):
        random, fgsm, pgd = (rows[method, eps] for method in ("random", "fgsm", "pgd"))
        assert pgd.accuracy <= fgsm.accuracy < random.accuracy - 0.1
        assert (random.monotone, fgsm.monotone, pgd.monotone) == (None, True, True)
    assert rows["pgd", 0.2].accuracy < rows["pgd", 0.1].accuracy < rows["clean", 0.0].accuracy
    assert result.headlines == AttackHeadlines(attack_accuracy=rows["pgd", 0.2].accuracy)


def test_the_same_net_gives_the_same_rows_and_stays_as_it_is(cnn: TrainedNet) -> None:
    module = module_of(cnn)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    net = in_its_place(cnn, module)
    first, second = (found_in(Attack(eps=(0.1,), pictures=60), net) for _ in range(2))
    assert first == second
    assert rows_of(first)["pgd", 0.1].n == 60
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert not module.training and all(parameter.grad is None for parameter in module.parameters())


class Rounded(nn.Module):
    """A net that looks at a few levels of grey: nearly everywhere its gradient is 0."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.net((inputs * 2).round() / 2)
        return outputs


class Detached(Rounded):
    """A net through which no gradient comes."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.net(inputs).detach()
        return outputs


def test_masked_gradients_are_flagged(cnn: TrainedNet) -> None:
    net = in_its_place(cnn, Rounded(module_of(cnn)))
    rows = rows_of(found_in(Attack(eps=(0.2,)), net))
    assert rows["fgsm", 0.2].accuracy == rows["clean", 0.0].accuracy, "its steps lead nowhere"
    assert rows["fgsm", 0.2].accuracy > rows["random", 0.2].accuracy
    assert rows["fgsm", 0.2].monotone is False and rows["pgd", 0.2].monotone is False


def test_a_net_without_gradients_has_a_reason(cnn: TrainedNet) -> None:
    net = in_its_place(cnn, Detached(module_of(cnn)))
    with pytest.raises(CannotDeploy, match="no gradients come through the net"):
        found_in(Attack(), net)


def test_three_test_examples_are_enough(cnn: TrainedNet) -> None:
    rows = rows_of(found_in(Attack(steps=1), in_its_place(cnn, module_of(cnn), tested=3)))
    assert {row.n for row in rows.values()} == {3}


def test_one_method_alone_is_the_headline(cnn: TrainedNet) -> None:
    found = found_in(Attack(methods=("fgsm",), eps=(0.1,)), in_its_place(cnn, module_of(cnn), tested=100))
    rows = rows_of(found)
    assert [method for method, _ in rows] == ["clean", "random", "fgsm"]
    assert found.headlines == AttackHeadlines(attack_accuracy=rows["fgsm", 0.1].accuracy)


GRID = "name: n\naxes: {dataset: digits, model: mlp, optimizer: sgd}\nmeasure:\n- {name: attack, %s}\n"


@pytest.mark.parametrize(
    ("written", "column", "said"),
    [
        ("eps: 0", 23, "attack.eps has to be greater than 0, not 0"),
        ("eps: [0.1, -0.1]", 29, "attack.eps[1] has to be greater than 0, not -0.1"),
        ("eps: 1.5", 23, "attack.eps has to be at most 1, not 1.5"),
        ("eps: []", 23, "attack.eps"),
        ("eps: .nan", 23, "attack.eps"),
        ("steps: 0", 25, "attack.steps has to be at least 1, not 0"),
        ("methods: cw", 27, 'attack.methods has to be one of fgsm, pgd, not "cw"'),
        ("pictures: 0", 28, "attack.pictures has to be at least 1, not 0"),
    ],
)
def test_what_is_no_attack_is_an_error_with_its_place(written: str, column: int, said: str, tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    grid.write_text(GRID % written)
    with pytest.raises(GridError) as raised:
        read_grid(grid)
    assert f"{grid}:4:{column}: " in str(raised.value) and said in str(raised.value)


def test_one_eps_stands_without_brackets_whole_or_not(tmp_path: Path) -> None:
    grid = tmp_path / "grid.yaml"
    for written, eps in (("eps: 1", (1.0,)), ("eps: 0.03", (0.03,))):
        grid.write_text(GRID % written)
        (attack,) = read_grid(grid).measure
        assert isinstance(attack, Attack) and attack.eps == eps
