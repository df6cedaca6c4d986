"""The survey's sentences, each with the claims that test it or the reason why none does (examples/paper/sentences.yaml)."""

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
