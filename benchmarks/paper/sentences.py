"""The survey's sentences, each with the claims that test it or the reason why none does (examples/paper/sentences.yaml)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from ruamel.yaml import YAML

FILE: Final = Path(__file__).parents[2] / "examples" / "paper" / "sentences.yaml"


class Sentence(BaseModel):
    """What the survey says, in other words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    says: Annotated[str, Field(min_length=1)]
    claims: tuple[str, ...] = ()
    """Ids of the claims that are about it."""
    none: Annotated[str, Field(min_length=1)] | None = None
    """Why there is no claim."""

    @model_validator(mode="after")
    def _has_one_of_both(self) -> Self:
        if bool(self.claims) == (self.none is not None):
            raise ValueError(f"{self.says!r} needs claims, or the reason why it has none")
        return self


def read_sentences(path: Path = FILE) -> dict[str, list[Sentence]]:
    """Return the sentences by chapter. Raises pydantic.ValidationError."""
    written = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, list[Sentence]]).validate_python(written)


def section(outcomes: Mapping[str, str]) -> Iterator[str]:
    """The lines of Markdown. outcomes: of each claim, by its id; one that is missing has not been run."""
    chapters = read_sentences()
    every = [sentence for chapter in chapters.values() for sentence in chapter]
    tested = sum(bool(sentence.claims) for sentence in every)
    yield "## The survey, sentence by sentence\n"
    yield f"{len(every)} sentences that can be tested; {tested} have claims here. What a claim does not test stands below.\n"
    yield "| | sentence | claims, or why there are none |"
    yield "| --- | --- | --- |"
    for chapter, sentences in chapters.items():
        for sentence in sentences:
            judged = "; ".join(f"{claim}: **{outcomes.get(claim, 'not run')}**" for claim in sentence.claims)
            yield f"| {chapter} | {sentence.says} | {judged or sentence.none} |"
    yield ""
