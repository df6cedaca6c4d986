"""What can train in a stack of nets, as far as that can be said before any net is built, and without torch."""

from collections.abc import Iterable
from hashlib import blake2b

from trainables.dataset import DataInfo
from trainables.interfaces import Model, Optimizer, Regularizer
from trainables.protocol import Protocol


def unfusable(
    model: type[Model],
    optimizer: type[Optimizer],
    regularizers: Iterable[type[Regularizer]],
    protocol: Protocol,
    workers: int,
    data: DataInfo | None = None,
) -> str | None:
    """Return None, or the reason why trials of these components run alone, whatever `protocol.fuse` asks.

    data: None where nothing is known of it.
    """
    if not model.stacks:
        return f"the model {model.name} does not say that its nets can be stacked"
    if not optimizer.elementwise:
        return f"the optimizer {optimizer.name} does not change each number by itself"
    for regularizer in regularizers:
        if regularizer.on_parameter_groups is not Regularizer.on_parameter_groups:
            return f"the regularizer {regularizer.name} treats parameters in groups"
        if regularizer.more_examples is not Regularizer.more_examples:
            return f"the regularizer {regularizer.name} makes examples of its own for each trial"
    asked = {
        "several workers train each trial": workers > 1,
        "protocol.compile compiles each net by itself": protocol.compile,
        "protocol.accumulate splits the batches of each trial": protocol.accumulate > 1,
        f"nets are stacked in fp32, and protocol.precision is {protocol.precision}": protocol.precision != "fp32",
        "a learning-rate range test looks at each step by itself": protocol.schedule.is_range_test,
        "the images are decoded while they are used": data is not None and data.streamed,
    }
    return next((reason for reason, stands in asked.items() if stands), None)


def fusion_key(dataset: bytes, model: bytes, protocol: Protocol) -> bytes:
    """16 bytes that are equal for trials that fit into one stack. dataset, model: digests."""
    shared = f"{protocol.epochs} {protocol.batch_size} {protocol.deterministic} {protocol.fuse}"
    return blake2b(dataset + model + shared.encode(), digest_size=16).digest()
