"""The section `update`: a stream of changing pictures that each cell's nets meet, and when they are trained again on it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from orchestrator.grid.mistakes import mistake
from orchestrator.grid.settings import Section
from trainables.component import or_one
from trainables.data_options import Stream

NamedPolicy = Literal["never", "on_alarm", "on_alarm doubling", "always"]
EVERY: Final = 5
"""Blocks from one retraining to the next, of a policy `periodic` that nobody gave another number."""


class Periodic(Section):
    """Trained again whenever so many blocks have come."""

    periodic: Annotated[int, Field(ge=1)]
    """Blocks from one retraining to the next."""


Policy = NamedPolicy | Periodic
USUAL: Final[tuple[Policy, ...]] = ("never", Periodic(periodic=EVERY), "on_alarm", "on_alarm doubling", "always")


def policy_name(policy: Policy) -> str:
    """What it is called in tables: `on_alarm`, or `periodic 5`."""
    return f"periodic {policy.periodic}" if isinstance(policy, Periodic) else policy


def _each_once(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    names = list(map(policy_name, policies))
    if not names:
        raise ValueError("it is empty; name a policy, or leave it out for the usual ones")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"it has {twice} twice")
    return policies


class UpdateSpec(Stream, Section):
    """What comes after training: the test split of each data set in blocks, what changes their pictures, and which nets are
    trained again on the blocks that have come.
    """

    policies: Annotated[
        tuple[Policy, ...],
        or_one(dict | str, Policy | tuple[Policy, ...]),
        AfterValidator(_each_once),
    ] = USUAL
    """When a net is trained again: `never`, `{periodic: 5}`, `on_alarm`, `on_alarm doubling` or `always`. One that waits for
    alarms may need any net, so all are trained, as for `always`."""
    alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The largest p of an alarm; that of the measurement `prequential` when not given."""

    @cached_property
    def stream(self) -> Stream:
        """As the option of a data set."""
        return Stream(blocks=self.blocks, shift=self.shift)

    @property
    def seen(self) -> Sequence[int]:
        """How many blocks the nets have seen that its policies ask for; first the one that has seen none."""
        wanted = {0}
        for policy in self.policies:
            if policy != "never":
                wanted.update(range(0, self.blocks, policy.periodic if isinstance(policy, Periodic) else 1))
        return sorted(wanted)


def checked(update: UpdateSpec) -> UpdateSpec:
    """It, where each policy that is asked for trains something again at least once; of the usual ones those that do.

    Raises Mistakes.
    """
    if "policies" not in update.model_fields_set:
        fitting = tuple(policy for policy in update.policies if not _is_idle(policy, update.blocks))
        return update.model_copy(update={"policies": fitting})
    for index, policy in enumerate(update.policies):
        if isinstance(policy, Periodic) and _is_idle(policy, update.blocks):
            message = f"of {update.blocks} blocks the last that a net can learn from is block {update.blocks - 2}"
            raise mistake(
                f"{message}, so that periodic: {policy.periodic} trains nothing again", "policies", index, "periodic"
            )
    return update


def _is_idle(policy: Policy, blocks: int) -> bool:
    return isinstance(policy, Periodic) and policy.periodic >= blocks
