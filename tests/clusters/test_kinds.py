"""Kinds of cluster: each address is of one, and what a kind is decides all that is asked of it."""

from typing import get_args

import pytest

from clusters.errors import ClusterSpecError
from clusters.file import parse_cluster
from clusters.kinds import KINDS, ClusterKind, Kind, kind_of

OF_SOME = sorted(set().union(*(kind.keys for kind in KINDS.values())))
"""Keys that mean something for some kinds only."""
VALUES = {"cpus": "2", "gpus": "0", "token_file": "token", "data": "/d", "cache": "/c", "code": "send", "results": "/r"}


def test_every_name_has_its_class() -> None:
    assert tuple(KINDS) == get_args(Kind)
    assert set(KINDS.values()) == set(ClusterKind.__subclasses__())


@pytest.mark.parametrize("address", ["local", "auto", "head:6379", "[::1]:6379", "http://head:8265", "https://head:1/"])
def test_an_address_is_of_one_kind(address: str) -> None:
    assert [kind for kind in KINDS.values() if kind.has(address)] == [kind_of(address)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_names_a_kind_alone(kind: str) -> None:
    if (address := KINDS[kind].address) is None:
        with pytest.raises(ClusterSpecError, match=f"needs an address such as {KINDS[kind].example}"):
            parse_cluster(f"kind: {kind}", "it.yaml")
    else:
        spec = parse_cluster(f"kind: {kind}", "it.yaml")
        assert (spec.address, spec.access) == (address, KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", OF_SOME)
def test_a_key_of_other_kinds_is_refused(kind: str, key: str) -> None:
    address = KINDS[kind].address or KINDS[kind].example
    text = f"address: {address}\n{key}: {VALUES.get(key, 'python3')}"
    if key in KINDS[kind].keys:
        assert parse_cluster(text, "it.yaml").kind == kind
    else:
        with pytest.raises(ClusterSpecError, match=f"it.yaml:2:1: {key} is for kind .*, and the kind here is {kind}"):
            parse_cluster(text, "it.yaml")
