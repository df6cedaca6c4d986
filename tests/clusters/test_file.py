"""Cluster files as a user writes them."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

import clusters
from clusters.errors import ClusterSpecError
from clusters.file import read_cluster

PRESETS = Path(clusters.__file__).parent


def test_without_a_file_this_machine_is_the_cluster() -> None:
    cluster = read_cluster(None)
    assert (cluster.name, cluster.address, cluster.cpus, cluster.gpus) == ("local", "local", "auto", "auto")


@pytest.mark.parametrize("preset", sorted(PRESETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_preset_can_be_used(preset: Path) -> None:
    assert read_cluster(preset).name == preset.stem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is a mapping"),
        ("- local\n", "is a mapping"),
        ("address: nowhere\n", "address"),
        ("address: '; rm -rf /'\n", "address"),
        ("cpus: 0\n", "cpus"),
        ("cpus: two\n", "cpus"),
        ("cpus: 1.5\n", "cpus"),
        ("gpus: -1\n", "gpus"),
        ("slots: {gpu_share: 0}\n", "slots.gpu_share"),
        ("slots: {gpu_share: .nan}\n", "slots.gpu_share"),
        ("slots: {gpu_share: 2}\n", "slots.gpu_share"),
        ("name: here\nslots:\n  most: 0\n", "cluster.yaml:3:3: slots.most"),
        ("slots: 1\n", "cluster.yaml:1:1: slots"),
        ("1: 2\n", "cluster.yaml:1:1: "),
        ("distributed: {backend: mpi}\n", "distributed.backend"),
        ("unknown: 1\n", "unknown"),
        ("cpus: 1\ncpus: 2\n", "cluster.yaml:2:1"),
        ("cpus: [1\n", "cluster.yaml:"),
        ("\tcpus: 1\n", "cluster.yaml:1:1"),
        ("name: !!python/object/apply:os.system [echo]\n", "cluster.yaml"),
        ("kind: job\n", "cluster.yaml:1:1: kind should be 'local', 'attach' or 'jobs'; did you mean 'jobs'?"),
        ("kind: slurm\n", "cluster.yaml:1:1: kind should be 'local', 'attach' or 'jobs'"),
        ("kind: jobs\n", "cluster.yaml:1:1: kind jobs needs an address"),
        ("kind: local\naddress: head:6379\n", "cluster.yaml:2:1: address head:6379 is for kind attach"),
        ("kind: jobs\naddress: head:6379\n", "cluster.yaml:2:1: address head:6379 is for kind attach"),
        ("name: here\ntoken_file: token\n", "cluster.yaml:2:1: token_file is for kind attach and jobs"),
        ("kind: attach\ncpus: 2\n", "cluster.yaml:2:1: cpus is for kind local"),
        ("kind: attach\ndata: relative\n", "cluster.yaml:2:1: data "),
        ("adress: local\n", "cluster.yaml:1:1: adress is not a key of a cluster file; did you mean 'address'?"),
        ("slots: {gpushare: 1}\n", "slots.gpushare is not a key of a cluster file; did you mean 'gpu_share'?"),
        ('"a\\nb": 1\n', "cluster.yaml:1:1: a value that contains '\\n', which no name may contain"),
        ("name: " + "[" * 3000, "cluster.yaml:1:46: nested more than 40 deep"),
        ("# " + "x" * 100_000, "cluster.yaml:1:1: larger than 100 kB"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(ClusterSpecError) as refused:
        read_cluster(path)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).startswith("cluster.yaml:")


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("gpu.yaml", "address: auto", "gpu"),
        ("our.lab.yaml", "address: head:6379", "our.lab"),
        ("machine", "cpus: 2", "machine"),
        ("a;b\x1b[31m\nc.yaml", "cpus: 2", "a-b--31m-c"),
        (f"{'x' * 200}.yaml", "cpus: 2", "x" * 64),
        ("gpu.yaml", "name: lab", "lab"),
        ("gpu.yaml", "name: local", "local"),
    ],
)
def test_a_cluster_without_a_name_is_called_as_its_file(tmp_path: Path, file: str, text: str, name: str) -> None:
    (tmp_path / file).write_text(text)
    assert read_cluster(tmp_path / file).name == name


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("{}", "local", "local"),
        ("address: auto", "attach", "auto"),
        ("address: head:6379", "attach", "head:6379"),
        ("address: http://127.0.0.1:8265", "jobs", "http://127.0.0.1:8265"),
        ("address: https://head.example:443/", "jobs", "https://head.example:443/"),
        ("kind: attach", "attach", "auto"),
    ],
)
def test_the_address_says_which_kind_it_is(tmp_path: Path, text: str, kind: str, address: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    cluster = read_cluster(path)
    assert (cluster.kind, cluster.address) == (kind, address)


def test_a_token_file_is_looked_for_beside_the_cluster_file(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("address: auto\ntoken_file: token\n")
    assert read_cluster(tmp_path / "cluster.yaml").token_file == str(tmp_path / "token")


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n" for before, after in pairwise("abcdefghi")
)
MERGES = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{after}: &{after} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, after in pairwise("abcdefghi")
)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        *(
            (f"{BOMB}{key}: *i\n", "cluster.yaml:4:4: unfolds into more than 1,000 values")
            for key in ("kind", "address", "name", "cpus", "slots", "token_file", "unknown")
        ),
        (f"{BOMB}slots: {{most: *i}}\n", "cluster.yaml:4:4: unfolds into more than 1,000 values"),
        (f"{MERGES}kind: *i\n", "cluster.yaml:2:8: merge keys"),
        ("kind: &a [*a]\n", "cluster.yaml:1:11: the alias *a refers to nothing before it"),
        ("slots: &a {most: *a}\n", "cluster.yaml:1:18: the alias *a refers to nothing before it"),
        ("name: x\naddress: http://[a]:1\n", "cluster.yaml:2:1: address should be"),
        ("address: 'http://[::1'\n", "cluster.yaml:1:1: address should be"),
        ("address: 'http://[1.2.3.4]:80'\n", "cluster.yaml:1:1: address should be"),
        ("address: ']:1'\n", "cluster.yaml:1:1: address should be"),
        ("address: head:99999\n", "cluster.yaml:1:1: address should be"),
        ("address: head:0\n", "cluster.yaml:1:1: address should be"),
        ("address: auto\ntoken_file: ~nosuchuser/x\n", "cluster.yaml:2:1: token_file ~nosuchuser/x begins with"),
        ('address: auto\ntoken_file: "a\\0b"\n', "cluster.yaml:2:13: a value that contains"),
        ('address: auto\ntoken_file: "\\ud800"\n', "cluster.yaml:2:13: a value that contains"),
        ('address: http://a:1\npython: "py\\0thon"\n', "cluster.yaml:2:9: a value that contains"),
        ('address: http://a:1\nresults: "/a\\u202eb"\n', "cluster.yaml:2:10: a value that contains"),
        ('slots: {most: "\\e[2J"}\n', "cluster.yaml:1:15: a value that contains"),
        ('"a\\0": 1\n', "cluster.yaml:1:1: a"),
        (f"name: x\ncpus: {'9' * 5000}\n", "cluster.yaml:2:7: a value of 5,000 characters"),
        (f"cpus: 1{'0' * 200}\n", "cluster.yaml:1:1: cpus should be less"),
        ("start_timeout: 1e308\n", "cluster.yaml:1:1: start_timeout should be less"),
        ("distributed: {group_timeout: 1e300}\n", "cluster.yaml:1:15: distributed.group_timeout should be less"),
        (f"slots: {{memory_limit: {10**30}}}\n", "cluster.yaml:1:9: slots.memory_limit should be less"),
    ],
    ids=lambda value: value[:30],
)
def test_what_nobody_writes_is_refused_where_it_stands(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    with pytest.raises(ClusterSpecError) as refused:
        read_cluster(path)
    assert any(line.startswith(said) for line in refused.value.problems), refused.value
    assert all(line.isprintable() for line in refused.value.problems)


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("cpus: &two 2\ngpus: *two\n")
    cluster = read_cluster(tmp_path / "cluster.yaml")
    assert (cluster.cpus, cluster.gpus) == (2, 2)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/full", "/", "/dev/stdin/x", "a\0b"])
def test_what_is_a_device_or_no_name_is_not_read(path: str) -> None:
    with pytest.raises(ClusterSpecError):
        read_cluster(Path(path))


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cluster.yaml")
    with pytest.raises(ClusterSpecError, match="is not a file"):
        read_cluster(tmp_path / "cluster.yaml")


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text("cpus: 0\ngpus: -1\n")
    with pytest.raises(ClusterSpecError) as refused:
        read_cluster(path)
    assert refused.value.problems == (
        "cluster.yaml:1:1: cpus should be greater than or equal to 1, or should be 'auto'",
        "cluster.yaml:2:1: gpus should be greater than or equal to 0, or should be 'auto'",
    )


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "cluster.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ClusterSpecError, match=r"cluster\.yaml"):
        read_cluster(path)
