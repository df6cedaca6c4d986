"""The grids of `make paper` claim what they say on enough seeds to tell."""

from pathlib import Path

import pytest

from benchmarks.paper.sentences import FILE, Sentence, read_sentences
from orchestrator.grid import read_grid
from orchestrator.grid.claims import min_seeds

GRIDS = sorted(path for path in (Path(__file__).parents[3] / "examples" / "paper").glob("*.yaml") if path != FILE)


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_grid_has_claims_and_seeds_that_can_decide_them(path: Path) -> None:
    grid = read_grid(path)
    assert grid.claims
    assert not grid.warnings
    assert len(grid.seeds) >= max(10, min_seeds(len(grid.claims)))


def test_no_id_stands_in_two_grids() -> None:
    ids = [claim.id for path in GRIDS for claim in read_grid(path).claims]
    assert len(ids) == len(set(ids)) >= 16


def test_each_claim_is_about_a_sentence_and_each_sentence_has_claims_or_a_reason() -> None:
    sentences = [sentence for chapter in read_sentences().values() for sentence in chapter]
    claimed = [claim for sentence in sentences for claim in sentence.claims]
    assert sorted(claimed) == sorted(claim.id for path in GRIDS for claim in read_grid(path).claims)
    assert len({sentence.says for sentence in sentences}) == len(sentences) >= 40


@pytest.mark.parametrize("wrong", [{}, {"claims": ["depth"], "none": "no time"}, {"claims": []}])
def test_a_sentence_without_claims_needs_a_reason(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs claims, or the reason"):
        Sentence.model_validate({"says": "deeper is better", **wrong})
