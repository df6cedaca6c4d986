"""What learns in a trial: its module, freshly built from its seed, and the learner around it."""

import numpy as np
import torch

from trainables.context import Context
from trainables.data.batches import UnlabelledBatches
from trainables.records import Seeds
from trainables.spec import TrialSpec, derived_seed
from trainables.task import Task
from trainables.training.learner import Learner, LearnerParts, OwnLearner, SupervisedLearner
from trainables.training.prepare import Prepared
from trainables.training.sync_batch_norm import synchronised


def build_learner(
    spec: TrialSpec, real: Prepared, data: Prepared, task: Task, seeds: Seeds, context: Context
) -> Learner:
    """real: `data` without what was made of it."""
    torch.manual_seed(seeds.init)
    # built on the CPU, so that the first weights are the same whatever the device
    module = spec.model.build(data.info, task.outputs(data.info))
    spec.model.prepare(module, data.facts)
    module = module.to(context.device)
    if spec.protocol.sync_batch_norm and context.world_size > 1:
        module = synchronised(module, context.device)
    if data.info.input == "image":
        module = module.to(memory_format=torch.channels_last)
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
        return SupervisedLearner(parts)
    assert isinstance(spec.model, OwnLearner)
    return spec.model.learner(parts)
