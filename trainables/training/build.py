"""What learns in a trial: its module, freshly built from its seed, and the learner around it."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from trainables.context import Context
from trainables.data.batches import UnlabelledBatches
from trainables.records import Seeds
from trainables.spec import TrialSpec, derived_seed
from trainables.task import Task
from trainables.training.learner import Learner, LearnerParts, OwnLearner, SupervisedLearner
from trainables.training.prepare import Prepared
from trainables.training.sync_batch_norm import synchronised


def build_learner(
    spec: TrialSpec,
    real: Prepared,
    data: Prepared,
    task: Task,
    seeds: Seeds,
    context: Context,
    supervised: Callable[[LearnerParts], Learner] = SupervisedLearner,
) -> Learner:
    """real: `data` without what was made of it. supervised: as in `learner_around`."""
    module = build_module(spec, data, task, seeds, context)
    return learner_around(module, spec, real, data, task, seeds, context, supervised)


def build_module(spec: TrialSpec, data: Prepared, task: Task, seeds: Seeds, context: Context) -> nn.Module:
    """The net with its first weights, on its device."""
    torch.manual_seed(seeds.init)
    # built on the CPU, so that the first weights are the same whatever the device
    module = spec.model.build(data.info, task.outputs(data.info))
    spec.model.prepare(module, data.facts)
    module = module.to(context.device)
    if spec.protocol.sync_batch_norm and context.world_size > 1:
        module = synchronised(module, context.device)
    if data.info.input == "image":
        module = module.to(memory_format=torch.channels_last)
    return module


def learner_around(
    module: nn.Module,
    spec: TrialSpec,
    real: Prepared,
    data: Prepared,
    task: Task,
    seeds: Seeds,
    context: Context,
    supervised: Callable[[LearnerParts], Learner] = SupervisedLearner,
) -> Learner:
    """What trains a net. supervised: what it is where the model has no learner of its own."""
    unlabelled = UnlabelledBatches(
        real.batches,
        np.concatenate((real.split.train, real.unlabelled)),
        spec.protocol.batch_size,
        context.shard,
        derived_seed("unlabelled", seeds.shuffle),
        context.device,
    )
    parts = LearnerParts(
        module, data.info, task, spec.optimizer, spec.regularizers, spec.protocol, context, data.facts, unlabelled
    )
    if not spec.model.has_own_learner:
        return supervised(parts)
    assert isinstance(spec.model, OwnLearner)
    return spec.model.learner(parts)
