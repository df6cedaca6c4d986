"""What can go wrong inside `trainables`.

TrainablesError              anything this package raises on purpose
├── UnknownComponent         a name that no folder and no entry point provides; carries near names
├── BrokenComponent          a component file or plug-in that cannot be imported or is not well formed
├── DataError                the data cannot be used
│   ├── DataMissing          files are not where they were looked for
│   ├── BrokenImage          a file is there and cannot be decoded; carries its path
│   │   └── BrokenVideo      so it is with a video
│   ├── UnfitOption          an option of a data set asks for what the data does not have; carries its name
│   └── DataErrors           several of these at once
├── CannotDeploy             a deployment can make nothing of a net; carries the reason
├── NoMap                    a method of explaining has no map of a net; carries the reason
├── CheckpointError          a checkpoint cannot be gone on from; the trial starts anew
├── WeightsError             a file of weights is missing, damaged, dangerous, or of another model
└── TrialStopped             raised inside a trial to end it
    ├── TrialTimedOut        the time limit of the trial has passed
    └── TrialCancelled       the sweep is stopping

Each says what happened, why, and what to do, and survives pickling (arguments are kept in `args`).
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

_NAMED: Final = 20
"""How many further broken images an error names."""


def first_line(text: str) -> str:
    """Return the first line of a message or a docstring; empty where there is none."""
    return next(iter(text.strip().splitlines()), "")


def said_by(error: Exception) -> str:
    """The first line of its message; the name of its class where that is empty."""
    return first_line(str(error)) or type(error).__name__


def first_cause(error: BaseException) -> str:
    """The class and the first line of what lies beneath all that wraps it: `ValueError: no such axis`."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


def alike(name: str, known: Iterable[str], *, most: int = 2, likeness: float = 0.6) -> list[str]:
    """Known names that are spelt much like this one, the likest first; where some differ in nothing but case and dashes,
    those alone. likeness: from 0 to 1, that of equal names.
    """
    names = list(known)
    same = [one for one in names if bare(one) == bare(name)]
    return same[:most] or difflib.get_close_matches(name, names, n=most, cutoff=likeness)


def bare(name: str) -> str:
    """Return a name without what people write one way or another: `AdamW` is `adamw`, `ResNet-50` is `resnet50`."""
    return "".join(letter for letter in name.casefold() if letter not in "-_ ")


def meant(names: Iterable[str], otherwise: str) -> str:
    """A question for the user; `otherwise` where there is no name to ask for."""
    alternatives = " or ".join(names)
    return f"did you mean {alternatives}?" if alternatives else otherwise


class TrainablesError(Exception):
    """Base of all errors that `trainables` raises on purpose."""


class UnknownComponent(TrainablesError):
    """A level names a component that does not exist."""

    def __init__(
        self, kind: str, name: str, known: Sequence[str], prefix: str = "", elsewhere: Sequence[str] = ()
    ) -> None:
        """prefix: of the namespace whose member is named, `torchvision:`; `name` and `known` are without it.
        elsewhere: whole names that are called so behind another prefix, or without one.
        """
        super().__init__(kind, name, tuple(known), prefix, tuple(elsewhere))
        self.kind, self.name, self.known, self.prefix = kind, name, tuple(known), prefix
        self.elsewhere = tuple(elsewhere)

    def __str__(self) -> str:
        # near names are looked for here: of thousands of wrong names only some are reported
        near, known = (
            [f"{self.prefix}{name}" for name in names]
            for names in (() if self.elsewhere else alike(self.name, self.known), self.known)
        )
        near += self.elsewhere
        return f"unknown {self.kind} {self.prefix + self.name!r}; {meant(near, 'known: ' + ', '.join(known))}"


class BrokenComponent(TrainablesError):
    """A component file or an entry point cannot be used."""


class DataError(TrainablesError):
    """The data cannot be used."""


class DataMissing(DataError):
    """Files are not where they were looked for."""


class BrokenImage(DataError):
    """An image cannot be decoded."""

    what: ClassVar[str] = "image"

    def __init__(self, path: str, why: str, others: tuple[str, ...] = ()) -> None:
        """others: the paths of more that cannot be decoded."""
        super().__init__(path, why, others)
        self.path, self.why, self.others = path, why, others

    def __str__(self) -> str:
        named = ", ".join(self.others[:_NAMED])
        more = f" and {len(self.others) - _NAMED} more" if len(self.others) > _NAMED else ""
        rest = f" (also broken: {named}{more})" if self.others else ""
        return f"cannot read the {self.what} {self.path}: {self.why}{rest}; repair or remove {'them' if rest else 'it'}"


class BrokenVideo(BrokenImage):
    """A video cannot be decoded."""

    what: ClassVar[str] = "video"


class UnfitOption(DataError):
    """An option of a data set asks for what the data does not have."""

    def __init__(self, option: str, why: str) -> None:
        super().__init__(option, why)
        self.option, self.why = option, why

    def __str__(self) -> str:
        return self.why


class DataErrors(DataError):
    """Several things are wrong with the data."""

    def __init__(self, errors: Sequence[DataError]) -> None:
        super().__init__(tuple(errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "; ".join(map(str, self.errors))


def raise_all(errors: Sequence[DataError]) -> None:
    """Raise what there is: nothing, the one, or all of them as one."""
    if errors:
        raise errors[0] if len(errors) == 1 else DataErrors(errors)


def each_of(error: Exception) -> tuple[Exception, ...]:
    """Return what an error stands for."""
    return error.errors if isinstance(error, DataErrors) else (error,)


class WeightsError(TrainablesError):
    """A file of weights is missing, damaged, dangerous, or of another model."""


class CannotDeploy(TrainablesError):
    """A deployment can make nothing of this net: its message is the reason of a skipped row."""


class CannotFuse(TrainablesError):
    """A net cannot train as one of several in a stack: its message says what of it stands in the way."""


class NoMap(TrainablesError):
    """A method of explaining has no map of this net: its message is the reason of a skipped row."""


class CheckpointError(TrainablesError):
    """A checkpoint is damaged, or of something else. Its message says what the checkpoint does: "is damaged"."""


class TrialStopped(TrainablesError):
    """Ends a trial from inside."""


class TrialTimedOut(TrialStopped):
    """The trial's time limit has passed."""


class TrialCancelled(TrialStopped):
    """The sweep is stopping."""
