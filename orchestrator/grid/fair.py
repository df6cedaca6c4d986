"""What the arms of a claim are asked to have in common: where they do not, the claim is confounded."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from orchestrator.grid.mistakes import shown
from orchestrator.grid.settings import Section

EQUAL: Final = 1.01
"""The ratio up to which two amounts are equal: splits that are drawn differ by an example or two."""
CONVERGED: Final = 0.2
"""The share of trials with their best epoch last up to which an arm has converged: a curve that has come to rest has its
best epoch anywhere, and so by chance at its end."""


def _ratio(written: Any) -> float:
    if written == "equal":
        return EQUAL
    if isinstance(written, bool) or not isinstance(written, int | float) or not 1 <= written < float("inf"):
        raise ValueError(
            f"it is `equal`, or the largest ratio between the arms, 1 or more, such as 1.2, not {shown(written)}"
        )
    return float(written)


def _share(written: Any) -> float:
    if written is True:
        return CONVERGED
    if isinstance(written, bool) or not isinstance(written, int | float) or not 0 <= written < 1:
        raise ValueError(
            "it is `true`, or the largest share of an arm's trials whose best epoch is the last one,"
            f" 0 or more and below 1, not {shown(written)}"
        )
    return float(written)


Ratio = Annotated[
    float, PlainValidator(_ratio, json_schema_input_type=Literal["equal"] | Annotated[float, Field(ge=1)])
]
"""The greatest ratio of one arm's mean to another's."""
Share = Annotated[
    float, PlainValidator(_share, json_schema_input_type=Literal[True] | Annotated[float, Field(ge=0, lt=1)])
]


class Fair(Section):
    """What the arms must have in common, or else the claim is confounded. Amounts: `equal`, or the largest ratio."""

    noun = "condition of {}"

    parameters: Ratio | None = None
    """Numbers in the model."""
    flops: Ratio | None = None
    """Operations of one forward pass over one example."""
    steps: Ratio | None = None
    """Optimizer steps."""
    training_examples: Ratio | None = None
    """Labelled training examples, including those that a regularizer made."""
    validation_labels: Ratio | None = None
    """Labels by which epochs and tuned values are chosen."""
    workers: Ratio | None = None
    """Workers that train a trial together."""
    fuse: Ratio | None = None
    """Places of the stack that a trial trains in: times are its share of the stack's."""
    tuning: Literal["equal"] | None = None
    """Whether parameters are tuned, how, and with what budget."""
    converged: Share | None = None
    """That training had converged: in at most a fifth of each arm's trials, or this share, the best epoch is the last."""
    test_prior: Literal["equal"] | None = None
    """The shares of the classes in the test split."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not self.asked:
            raise ValueError("it has to name what the arms have in common, such as {parameters: 1.2}")
        return self

    @property
    def asked(self) -> Mapping[str, float | str]:
        """Each condition with its limit."""
        return {key: limit for key, limit in self if limit is not None}
