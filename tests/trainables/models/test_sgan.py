"""The semi-supervised GAN against its formulas, what it sees, and whole trials of it."""

import copy
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from tests.trainables.numbered import Numbered, numbers
from tests.trainables.training.test_fit import INFO, Table, ThreadContext, blobs
from trainables.context import Context, SingleContext
from trainables.data.batches import UnlabelledBatches
from trainables.dataset import DataInfo, DataLocation, Dataset
from trainables.interfaces import TrainingFacts
from trainables.models._gan_networks import Discriminator
from trainables.models._semi_supervised_gan import SemiSupervisedLearner
from trainables.models.cnn import Cnn
from trainables.models.sgan import Sgan
from trainables.optimizers.adam import Adam
from trainables.optimizers.sgd import Sgd
from trainables.protocol import Protocol
from trainables.records import EpochRow, TrialResult
from trainables.registry import registry
from trainables.regularizers.dropout import Dropout
from trainables.spec import TrialSpec, TrialTask, derived_seeds
from trainables.tasks.classification import Classification
from trainables.training.costs import count_parameters
from trainables.training.learner import Learner, LearnerParts
from trainables.training.prepare import prepared
from trainables.training.trial import run_trial

CPU = torch.device("cpu")
SMALL = Sgan(channels=(4,), hidden=(6,), generator_channels=(5,), latent=3)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def learner_of(model: Sgan, context: Context | None = None, **protocol: Any) -> SemiSupervisedLearner:
    """On 45 of the small blobs, unlabelled ones of 45 more."""
    data = blobs(90)
    settings = Protocol.from_parameters({"batch_size": 15, **protocol})
    context = context or SingleContext(CPU, print)
    unlabelled = UnlabelledBatches(data.batches, np.arange(90), 15, context.shard, 0, CPU)
    torch.manual_seed(0)
    module = model.build(INFO, 3)
    facts = TrainingFacts((15, 15, 15))
    task = Classification()
    parts = LearnerParts(module, INFO, task, Sgd(lr=0.1), (), settings, context, facts, unlabelled)
    learner = model.learner(parts)
    assert isinstance(learner, SemiSupervisedLearner)
    return learner


def labelled_batch() -> tuple[Tensor, Tensor]:
    (batch,) = blobs(90).batches.evaluation(np.arange(12), 12, lambda n: slice(0, n))
    return batch


def real_batch() -> Tensor:
    return UnlabelledBatches(blobs(90).batches, np.arange(90), 15, lambda n: slice(0, n), 0, CPU).draw()


def real_probability(logits: Tensor) -> Tensor:
    """One less the last of K + 1 probabilities, the last logit being 0 (Salimans et al. 2016, section 5)."""
    with_fake = torch.cat((logits, torch.zeros(len(logits), 1)), dim=1)
    return 1 - F.softmax(with_fake.double(), dim=1)[:, -1]


def generated(generator: torch.nn.Module, count: int) -> Tensor:
    """In the standardised scale of the blobs: mean 0.3, deviation 0.2."""
    return (generator(torch.randn(count, 3)) - 0.3) / 0.2


@pytest.mark.parametrize("loss", ["feature_matching", "standard"])
def test_a_step_of_both_networks_is_what_the_paper_says(loss: Any) -> None:
    learner = learner_of(SMALL.model_copy(update={"generator_loss": loss}))
    classifier, generator = copy.deepcopy(learner.module), copy.deepcopy(learner._generator)
    assert isinstance(classifier, Discriminator)
    (inputs, targets), real = labelled_batch(), real_batch()
    torch.manual_seed(7)
    result = learner.step(inputs, targets)

    torch.manual_seed(7)
    fake = generated(generator, 15).detach()
    outputs = classifier(inputs)
    supervised = F.cross_entropy(outputs, targets)
    of_real, of_fake = (real_probability(classifier(images)) for images in (real, fake))
    (supervised - (of_real.log().mean() + (1 - of_fake).log().mean()) / 2).backward()
    with torch.no_grad():
        for parameter in classifier.parameters():
            parameter -= 0.1 * parameter.grad
    fake = generated(generator, 15)
    if loss == "standard":
        aim = -real_probability(classifier(fake)).log().mean()
    else:
        difference = classifier.features(fake).mean(0) - classifier.features(real).mean(0)
        aim = difference.square().sum() / 6
    aim.backward()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter -= 0.1 * parameter.grad

    assert float(result.loss) == pytest.approx(12 * supervised.item(), rel=1e-5)
    assert result.correct is not None and int(result.correct) == int((outputs.argmax(1) == targets).sum())
    torch.testing.assert_close(learner.module.state_dict(), classifier.state_dict())
    torch.testing.assert_close(learner._generator.state_dict(), generator.state_dict())


def test_the_classifier_is_the_cnn_of_the_same_sizes() -> None:
    data = DataInfo("images", "image", (3, 20, 16), "classification", tuple("abcde"))
    torch.manual_seed(0)
    plain = Cnn(channels=(4, 6), kernels=(5,), hidden=(7, 9)).build(data, 5)
    torch.manual_seed(0)
    module = Sgan(channels=(4, 6), kernel=5, hidden=(7, 9)).build(data, 5)
    inputs = torch.rand(3, *data.shape)
    assert count_parameters(module) == count_parameters(plain)
    assert torch.equal(module(inputs), plain(inputs))


@pytest.mark.parametrize("hidden", [(), (8,)])
def test_its_features_are_those_before_the_last_layer(hidden: tuple[int, ...]) -> None:
    module = Sgan(channels=(4,), hidden=hidden).build(INFO, 3)
    assert isinstance(module, Discriminator)
    features = module.features(torch.rand(2, *INFO.shape))
    assert features.shape == (2, 8 if hidden else 4 * 3 * 3)
    assert torch.equal(module.head(features), module.head(features.clone()))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (DataInfo("films", "clip", (4, 3, 8, 8), "classification", tuple("ab")), "sgan reads image inputs"),
        (DataInfo("ages", "image", (3, 8, 8), "regression"), "needs classes, but ages has the task regression"),
        (DataInfo("dots", "image", (3, 8, 3), "classification", tuple("ab")), "leaves nothing of 8x3 pixels"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(data: DataInfo, reason: str) -> None:
    assert reason in (Sgan().unsupported_reason(data) or "")


@pytest.mark.parametrize(("passes", "expected"), [(None, 2), (1, 1), (7, 7)])
def test_an_epoch_sees_each_unlabelled_image_once_unless_told(passes: int | None, expected: int) -> None:
    assert learner_of(SMALL.model_copy(update={"passes": passes})).passes == expected


def test_the_schedule_holds_for_both_networks() -> None:
    learner = learner_of(SMALL)
    learner.set_lr_factor(0.0)
    before = copy.deepcopy((learner.module, learner._generator))
    learner.step(*labelled_batch())
    for now, then in zip((learner.module, learner._generator), before, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(now.parameters(), then.parameters(), strict=True))
    learner.set_lr_factor(0.5)
    assert learner.lr == 0.05
    learner.step(*labelled_batch())
    assert not any(torch.equal(a, b) for a, b in zip(now.parameters(), then.parameters(), strict=True))


def test_the_ranks_of_a_group_keep_the_same_networks() -> None:
    table = Table(2)
    learners = [learner_of(SMALL, ThreadContext(rank, table, print)) for rank in range(2)]
    inputs, targets = labelled_batch()

    def work(rank: int) -> None:
        part = (slice(0, 8), slice(8, 12))[rank]
        learners[rank].batch_examples = len(inputs)
        for _ in range(3):
            learners[rank].step(inputs[part], targets[part])

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = learners
    untrained = learner_of(SMALL)
    for one, other, fresh in (
        (first.module, second.module, untrained.module),
        (first._generator, second._generator, untrained._generator),
    ):
        torch.testing.assert_close(list(one.parameters()), list(other.parameters()))
        assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), fresh.parameters(), strict=True))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataLocation:
    return DataLocation(data=None, beside=None, cache=tmp_path_factory.mktemp("cache"))


def spec_of(place: DataLocation, model: Sgan, dataset: Dataset | None = None, **protocol: Any) -> TrialSpec:
    dataset = dataset or registry.get("dataset", "digits").from_parameters({})  # type: ignore[assignment]
    assert dataset is not None
    settings = Protocol.from_parameters({"epochs": 2, **protocol})
    return TrialSpec(dataset, model, Adam(lr=0.002), (Dropout(p=0.2),), settings, 0, dataset.fingerprint(place))


def run(trial_task: TrialTask) -> tuple[TrialResult, list[EpochRow]]:
    rows: list[EpochRow] = []
    return run_trial(trial_task, SingleContext(CPU, rows.append)), rows


@pytest.mark.slow
def test_a_trial_learns_digits_repeats_itself_and_keeps_weights_and_samples(
    place: DataLocation, tmp_path: Path
) -> None:
    model = Sgan(channels=(8, 16), hidden=(32,), generator_channels=(16, 8), latent=10)
    spec = spec_of(place, model, epochs=8, batch_size=32)
    weights, image = tmp_path / "a.safetensors", tmp_path / "images" / "a.png"
    result, rows = run(TrialTask("a", 1, spec, place, weights, image=image))
    assert result.status == "completed"
    assert result.test is not None and (result.test.accuracy or 0) > 0.9
    data = DataInfo("digits", "image", (1, 8, 8), "classification", tuple("0123456789"))
    assert result.costs.parameters == count_parameters(Cnn(channels=(8, 16), hidden=(32,)).build(data, 10))
    model.build(data, 10).load_state_dict(load_file(weights))
    shown = np.asarray(Image.open(image))
    assert shown.shape == (89, 89) and shown.std() > 20

    again, rows_again = run(TrialTask("a", 2, spec, place, None, image=tmp_path / "b.png"))
    assert [row.val.loss for row in rows] == [row.val.loss for row in rows_again]
    assert again.test == result.test
    assert (tmp_path / "b.png").read_bytes() == image.read_bytes()


_seen: list[Tensor] = []


class _Watched(Sgan):
    """Notes the images that it is given without labels."""

    name = "watched"

    def learner(self, parts: LearnerParts) -> Learner:
        assert parts.unlabelled is not None
        draw = parts.unlabelled.draw

        def noted() -> Tensor:
            _seen.append(draw())
            return _seen[-1]

        parts.unlabelled.draw = noted  # type: ignore[method-assign]
        return super().learner(parts)


@pytest.mark.parametrize("per_class", [None, 10])
def test_it_sees_every_training_image_and_none_of_validation_or_test(
    place: DataLocation, per_class: int | None
) -> None:
    _seen.clear()
    model = _Watched(channels=(2,), hidden=(), generator_channels=(2,), latent=2)
    spec = spec_of(place, model, Numbered(per_class=per_class), epochs=1)
    result, _ = run(TrialTask("a", 1, spec, place, None))
    seeds = derived_seeds(0)
    data = prepared(spec.dataset, place, spec.fingerprint, spec.protocol.splits, seeds.split, CPU)
    black, white = (data.batches.standardise(torch.tensor([[[[value]]]])) for value in (0.0, 1.0))
    images = (torch.cat(_seen) - black) / (white - black)
    seen = numbers((images * 255).round().byte().numpy())
    assert sorted(set(seen)) == sorted([*data.split.train.tolist(), *data.unlabelled.tolist()])
    assert len(set(seen)) == 162 and not {*seen} & {*data.split.val.tolist(), *data.split.test.tolist()}
    assert (result.sizes.train_size, result.sizes.unlabelled_size) == ((162, 0) if per_class is None else (30, 132))
