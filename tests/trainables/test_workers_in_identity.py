"""The number of workers belongs to what a trial is where it changes the training, and nowhere else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainables.test_spec import GOLDEN, spec_of
from trainables.component import PerWorker
from trainables.dataset import DataInfo
from trainables.interfaces import Model
from trainables.models.cnn import Cnn
from trainables.models.mlp import Mlp
from trainables.registry import registry
from trainables.regularizers.augment import Augment
from trainables.regularizers.cutmix import Cutmix
from trainables.regularizers.dropout import Dropout
from trainables.regularizers.early_stopping import EarlyStopping
from trainables.regularizers.label_smoothing import LabelSmoothing
from trainables.regularizers.mixup import Mixup
from trainables.regularizers.weight_decay import WeightDecay
from trainables.spec import identity_of_workers, trial_identity
from trainables.training.meta import on_meta_device

WITH_BATCH_NORM = Cnn(batch_norm=True)
IMAGES = DataInfo("pictures", "image", (3, 64, 64), "classification", ("a", "b", "c"))


def ids(workers, *, shares=False, **changes):
    spec = replace(spec_of(GOLDEN[0]), **{"model": Mlp(), "regularizers": (), **changes})
    protocol = spec.protocol.model_copy(update={"sync_batch_norm": shares})
    return {replace(spec, protocol=protocol, workers=each).trial_id for each in workers}


@pytest.mark.parametrize("described", GOLDEN, ids=lambda described: described["trial_id"])
def test_one_worker_leaves_every_id_as_it_was(described):
    assert replace(spec_of(described), workers=1).trial_id == described["trial_id"]


@pytest.mark.parametrize("model", [WITH_BATCH_NORM, registry.get("model", "resnet")(), registry.get("model", "sgan")()])
def test_batch_norm_makes_each_number_of_workers_another_trial(model):
    assert len(ids((1, 2, 4), model=model)) == 3


@pytest.mark.parametrize("regularizer", [Dropout(p=0.1), Augment(flip=True), Mixup(), Cutmix()])
def test_so_does_what_draws_or_mixes(regularizer):
    assert len(ids((1, 2, 4), regularizers=(regularizer,))) == 3
    assert len(ids((1, 2), regularizers=(regularizer,), model=WITH_BATCH_NORM, shares=True)) == 2


@pytest.mark.parametrize("regularizer", [WeightDecay(), LabelSmoothing(), EarlyStopping(patience=2)])
def test_what_every_worker_does_alike_does_not(regularizer):
    assert len(ids((1, 2, 4), regularizers=(regularizer,))) == 1


def test_shared_statistics_take_batch_norm_out():
    assert len(ids((1, 2, 4), model=WITH_BATCH_NORM, shares=True)) == 1
    assert ids((1,), model=WITH_BATCH_NORM, shares=True) != ids((1,), model=WITH_BATCH_NORM), "another training"


def test_the_id_is_made_of_the_one_without_workers():
    alone = replace(spec_of(GOLDEN[0]), regularizers=(Dropout(),))
    cell = identity_of_workers(bytes.fromhex(alone.cell_id), 2)
    assert replace(alone, workers=2).trial_id == trial_identity(cell, alone.seed)
    golden = json.loads((Path(__file__).parent / "golden_worker_ids.json").read_text())
    assert {str(each): replace(alone, workers=each).trial_id for each in (2, 3, 8)} == golden


def holds_batch_norm(model: Model) -> bool:
    from torch.nn.modules.batchnorm import _BatchNorm

    return any(isinstance(part, _BatchNorm) for part in on_meta_device(lambda: model.build(IMAGES, 3)).modules())


@pytest.mark.parametrize(
    "name",
    [
        *("mlp", "cnn", "resnet", "densenet", "vit", "lstm", "gru", "rnn"),
        *("torchvision:alexnet", "torchvision:vgg11", "torchvision:vgg11_bn", "torchvision:squeezenet1_1"),
        *("torchvision:convnext_tiny", "torchvision:swin_t", "torchvision:vit_b_32"),
        *("torchvision:resnet18", "torchvision:mobilenet_v2", "torchvision:regnet_y_400mf"),
    ],
)
def test_models_say_truly_whether_they_hold_batch_norm(name):
    model = registry.get("model", name)()
    assert (PerWorker.STATISTICS in model.per_worker) is holds_batch_norm(model)
    assert PerWorker.DRAWS not in model.per_worker


def test_a_model_or_regularizer_that_does_not_say_is_taken_at_its_worst():
    class Unknown(Mlp):
        per_worker = Model.per_worker

    assert Unknown().per_worker is PerWorker.STATISTICS
    assert Mlp().per_worker is PerWorker.NOTHING
