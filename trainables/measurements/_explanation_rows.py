"""The rows that `explain` keeps: what a method is worth on a trained net."""

from dataclasses import dataclass
from typing import Annotated

from trainables.columns import Column, Headline, Headlines, Rows
from trainables.records import Breakdown


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationRow:
    """One method on some test pictures, each explained for the class that the net has answered."""

    method: Annotated[
        str,
        Column("-", "The method; `random` and `centre` are maps of which none has seen the net: what any has to beat."),
    ]
    n: Annotated[int, Column("example", "Test examples that were explained, the same of all rows of a measurement.")]
    baseline: Annotated[str, Column("-", "What stands in place of a pixel that is not there: `mean` or `black`.")]
    deletion: Annotated[
        float | None,
        Column(
            "1",
            "Mean area under the class's probability while the pixels go, the first of the map first; null without"
            " a map.",
            "lower",
        ),
    ] = None
    insertion: Annotated[
        float | None,
        Column("1", "The same while they come, in the same order, in place of the baseline; null alike.", "higher"),
    ] = None
    deletion_gain: Annotated[
        float | None,
        Column(
            "1", "Deletion of a random map less that of this method: below 0 it is worse. Null of `random`.", "higher"
        ),
    ] = None
    deletion_gain_error: Annotated[
        float | None,
        Column("1", "Standard error of deletion_gain over the examples; null where that is.", measured=False),
    ] = None
    similarity: Annotated[
        float | None,
        Column(
            "1",
            "Mean Spearman correlation with the maps of the same net whose weights are drawn again, over the pixels that"
            " differ from the baseline: near 1 the map does not depend on what the net has learnt (Adebayo et al. 2018)."
            " Null where no map varies.",
            "lower",
        ),
    ] = None
    completeness_gap: Annotated[
        float | None,
        Column(
            "1",
            "Mean difference between the sum of a map and what the logit gains from the baseline; null but of integrated"
            " gradients.",
            "lower",
        ),
    ] = None
    misled: Annotated[
        int | None,
        Column(
            "example",
            "Test examples, at most as many as are explained, that were given the class of their planted cue (`spurious`)"
            " against their own: what pointing and mass are of. Null where no cue is planted.",
        ),
    ] = None
    pointing: Annotated[
        float | None,
        Column(
            "1",
            "Share of those whose map is largest in the cue or a pixel beside it (Zhang et al. 2016); null where there are"
            " none.",
            "higher",
        ),
    ] = None
    mass: Annotated[float | None, Column("1", "Mean share of the map that lies there; null alike.", "higher")] = None
    mass_chance: Annotated[
        float | None,
        Column(
            "1", "Share of the pixels that lie there: what a map has, and how often it points, by chance; null alike."
        ),
    ] = None
    seconds: Annotated[float, Column("s", "Time of the maps.", "lower")] = 0.0
    reason: Annotated[str | None, Column("-", "Why this net has no such map; null where it has.")] = None


@dataclass(frozen=True, slots=True)
class ExplanationTables(Breakdown):
    """What `explain` keeps."""

    explanations: Annotated[
        tuple[ExplanationRow, ...],
        Rows(
            "What the maps of each explanation method are worth on a trained net: deletion and insertion (Petsiuk et al."
            " 2018) beside a random and a centred map, and likeness to the maps of an untrained net.",
            ("method",),
            since=12,
        ),
    ] = ()


@dataclass(frozen=True, slots=True)
class ExplanationHeadlines(Headlines):
    """What `explain` tells of a net in `trials`."""

    explanation_gain: Annotated[
        float | None,
        Headline(
            "1",
            "By how much faster the class's probability falls when pixels go in the order of integrated gradients than in a"
            " random order: `deletion_gain` of `explanations`.",
            "higher",
        ),
    ] = None
