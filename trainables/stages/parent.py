"""The net that a variant is made of or a measurement is about, and what of its data a variant may read: never the test
split.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables import NOTHING_MADE
from trainables.context import Context
from trainables.errors import CannotDeploy, WeightsError
from trainables.interfaces import Model
from trainables.records import Seeds
from trainables.spec import ParentTrial, TrialSpec, derived_seed
from trainables.stages.artifact import Artifact, as_safetensors
from trainables.stages.preprocessing import WithPreprocessing
from trainables.task import Task
from trainables.training.build import build_learner, build_module, learner_around
from trainables.training.fit import FitParts, TrainingResult, fit
from trainables.training.learner import Learner, LearnerParts, SupervisedLearner
from trainables.training.prepare import Prepared
from trainables.training.weights import load_checked, read_header

_BATCH: Final = 256
"""Calibration examples that go through a net at once."""


@dataclass(frozen=True)
class ParentNet:
    """A trained net. What is made of it may read the training and the validation split."""

    spec: TrialSpec
    """Of the variant: its parent's, and the deployment; that is None where none is made."""
    task: Task
    data: Prepared
    """Without the test split (`without_test`)."""
    context: Context
    weights: Mapping[str, Tensor]
    """Of the whole module, by name."""

    @property
    def seed(self) -> int:
        """The variant's own stream, derived from its trial's seed."""
        made = NOTHING_MADE if self.spec.deployment is None else self.spec.deployment.name
        return derived_seed(f"stage {made}", self.spec.seed)

    @cached_property
    def module(self) -> nn.Module:
        """The net, evaluating: float32 (batch, *shape) standardised inputs to outputs. Not to be changed."""
        return self.learner().module.eval()

    @cached_property
    def artifact(self) -> Artifact:
        """What of it is shipped."""
        return as_safetensors(self.weights)

    def copied(self) -> nn.Module:
        """The net to be changed."""
        return copy.deepcopy(self.module)

    def with_preprocessing(self) -> nn.Module:
        """A copy of the net that takes inputs as they are stored."""
        return WithPreprocessing(self.copied(), self.data.batches).eval()

    def some_pixels(self, examples: int) -> Tensor:
        """So many examples of the validation split as they are stored, the first ones again where it has fewer."""
        chosen = np.resize(self.data.split.val, examples)
        stored = self.data.batches.as_stored().evaluation(chosen, examples, lambda count: slice(0, count))
        return next(stored)[0].cpu()

    def laid_out(self, module: nn.Module) -> nn.Module:
        """The same net with its weights in memory as those of the parent are: it would be slower otherwise."""
        image = self.data.info.input == "image"
        return module.to(memory_format=torch.channels_last) if image else module

    def learner(self) -> Learner:
        """What goes on training from these weights, as the parent was trained: optimizer and regularizers are its own."""
        learner = build_learner(self.spec, self.data, self.data, self.task, self._seeds, self.context)
        learner.module.load_state_dict(dict(self.weights))
        return learner

    def learner_of(
        self,
        module: nn.Module,
        model: Model | None = None,
        supervised: Callable[[LearnerParts], Learner] = SupervisedLearner,
    ) -> Learner:
        """What trains another net in the same way. model: whose it is, where that is not the parent's; supervised: how a
        batch is learnt.
        """
        spec = self.spec if model is None else replace(self.spec, model=model)
        return learner_around(
            module, spec, self.data, self.data, self.task, self._seeds, self.context, supervised=supervised
        )

    def built(self, model: Model) -> nn.Module:
        """A net of another model for the same data, with its first weights."""
        spec = replace(self.spec, model=model)
        return build_module(spec, self.data, self.task, self._seeds, self.context)

    def with_weights(self, module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
        """A net of the same layers with these weights, laid out as the parent is. Raises WeightsError where they are of
        another net.
        """
        try:
            module.load_state_dict(dict(tensors))
        except RuntimeError as unfit:
            raise WeightsError(f"they are of another net: {_first_of(unfit)}") from unfit
        return self.laid_out(module)

    def fine_tune(self, learner: Learner, epochs: int) -> TrainingResult:
        """Train so many epochs more, selecting on validation, under the parent's protocol. Raises as `fit`."""
        protocol = self.spec.protocol.model_copy(update={"epochs": epochs})
        parts = FitParts(learner, self.task, self.data, self.spec.regularizers, protocol, self._seeds, self.context)
        return fit(parts)

    def calibration(self, examples: int, *, as_stored: bool = False) -> Iterator[Tensor]:
        """Batches of so many training examples, drawn by the variant's seed: standardised, or as they are stored.

        Raises CannotDeploy where the training split has fewer.
        """
        train = self.data.split.train
        if examples > len(train):
            raise CannotDeploy(f"calibration asks for {examples:,} training examples, and there are {len(train):,}")
        chosen = np.sort(np.random.default_rng(self.seed).choice(train, examples, replace=False))
        batches = self.data.batches.as_stored() if as_stored else self.data.batches
        return (inputs for inputs, _ in batches.evaluation(chosen, _BATCH, self.context.shard))

    @cached_property
    def _seeds(self) -> Seeds:
        """Of split and first weights the parent's; the order of the examples and their augmentation are the variant's."""
        own = {name: derived_seed(f"{name} of a stage", self.seed) for name in ("shuffle", "augment")}
        return replace(self.spec.seeds, **own)


@dataclass(frozen=True)
class OtherNet(ParentNet):
    """Another net for the same inputs, in the place of the one that was trained: to be written as a file, say."""

    net: nn.Module

    @cached_property
    def module(self) -> nn.Module:
        return self.net.eval()


def in_place_of(parent: ParentNet, net: nn.Module) -> OtherNet:
    """The same with this net."""
    return OtherNet(parent.spec, parent.task, parent.data, parent.context, parent.weights, net)


def _first_of(error: RuntimeError) -> str:
    """What torch says first is wrong, behind its heading."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next(iter(lines[1:]), lines[0])[:300]


def loaded_parent(
    spec: TrialSpec, task: Task, readable: Prepared, weights: Path, trial_id: str, context: Context
) -> ParentNet:
    """The net of the trial with this id, whose weights lie there. readable: `without_test`. Raises as `parent_weights`."""
    built = build_learner(spec, readable, readable, task, spec.seeds, context).module
    state = parent_weights(weights, trial_id, built, spec.model.kept_state(built))
    return ParentNet(spec, task, readable, context, state)


def without_test(data: Prepared) -> Prepared:
    """The same, of which nobody learns what the test split has."""
    nothing: NDArray[np.int64] = np.empty(0, np.int64)
    return replace(data, split=replace(data.split, test=nothing), tested=None, cues=None, stream=None)


def parent_weights(path: Path, trial_id: str, module: nn.Module, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parent's weights from the file in which its trial has kept them.

    module: of the same model, freshly built. own: what of its state a trial keeps (`Model.kept_state`); the rest is as it
    was built. Raises WeightsError where the file is gone, damaged, or of another trial.
    """
    header = read_header(path)
    if header.metadata.get("trial_id") != trial_id:
        said = header.metadata.get("trial_id", "none")
        raise WeightsError(f"the weights in {path} say that they are of trial {said}, and not of {trial_id}")
    kept, state = load_checked(path, None), dict(module.state_dict())
    strange = sorted(kept.keys() - state.keys())
    missing = sorted(own.keys() - kept.keys())
    if strange or missing:
        raise WeightsError(f"the weights in {path} are of another net: it lacks {missing[:3]}, and has {strange[:3]}")
    for name, tensor in kept.items():
        if tensor.shape != state[name].shape:
            shapes = f"{tuple(tensor.shape)} in place of {tuple(state[name].shape)}"
            raise WeightsError(f"the weights in {path} are of another net: {name} has the shape {shapes}")
    return {**state, **kept}


_SAME_NET: Final = 1e-4
"""Of a loss, relative to it or to 1: what another machine's arithmetic changes in a net's test loss at most."""


def check_same(parent_trial: ParentTrial, loss: float) -> None:
    """Its weights give the test loss of its row: bit for bit on a machine of the same kind, elsewhere nearly so.

    Raises WeightsError where they do not.
    """
    expected = parent_trial.test_loss
    if expected is None or loss == expected:
        return
    if not abs(loss - expected) <= _SAME_NET * max(1.0, abs(expected)):
        raise WeightsError(
            f"the weights in {parent_trial.weights} give a test loss of {loss:.9g}, and the row of their trial has"
            f" {expected:.9g}: they are not what it was measured with; put back those that were, or sweep into another"
            " --results"
        )
    print(f"the parent's net gives a test loss of {loss!r} here, and gave {expected!r} where it was trained")
