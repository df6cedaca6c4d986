"""Files of weights from anywhere: what lies is told from what can be used, and nothing of a pickle is executed."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trainables.errors import WeightsError
from trainables.training.weights import load_checked, read_header, save_weights, weights_digest


def written(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def tensor(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_an_honest_file_is_read_as_safetensors_reads_it(tmp_path: Path) -> None:
    tensors = {
        "a.weight": torch.randn(3, 4),
        "half": torch.randn(5).half(),
        "brain": torch.randn(2, 2).bfloat16(),
        "count": torch.tensor(7),
        "none": torch.empty(0, 3),
    }
    save_file(tensors, tmp_path / "honest.safetensors", {"by": "me"})
    header = read_header(tmp_path / "honest.safetensors")
    assert header.shapes == {name: tuple(value.shape) for name, value in tensors.items()}
    assert header.metadata == {"by": "me"}
    loaded = load_checked(tmp_path / "honest.safetensors", weights_digest(tmp_path / "honest.safetensors"))
    assert all(torch.equal(loaded[name], value) for name, value in tensors.items())


@pytest.mark.parametrize("length", [640, 896, 1152, 1408])
def test_a_header_whose_length_looks_like_a_pickle_is_no_pickle(tmp_path: Path, length: int) -> None:
    text = json.dumps({"a": tensor(0, 4, [1])}).encode().ljust(length)
    assert read_header(written(tmp_path / "w", text, bytes(4))).shapes == {"a": (1,)}


LIES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "an empty file": (lambda p: (p.write_bytes(b""), p)[1], "begin with a header"),
    "a header longer than the file": (lambda p: written(p, b"{}", length=1 << 40), "1,099,511,627,776 bytes"),
    "a huge header": (lambda p: written(p, b"{" + b" " * (17 << 20) + b"}"), "at most 16,777,216"),
    "offsets beyond the file": (lambda p: written(p, {"a": tensor(0, 400, [100])}, bytes(8)), "ends at byte 400, of 8"),
    "offsets before the file": (lambda p: written(p, {"a": tensor(-4, 0, [1])}, bytes(4)), "offsets [-4, 0]"),
    "offsets backwards": (lambda p: written(p, {"a": tensor(4, 0, [1])}, bytes(4)), "offsets [4, 0]"),
    "a shape that its bytes do not fill": (lambda p: written(p, {"a": tensor(0, 4, [9])}, bytes(4)), "needs 36"),
    "a type of another width": (lambda p: written(p, {"a": tensor(0, 4, [1], "F64")}, bytes(4)), "needs 8"),
    "a type that there is not": (lambda p: written(p, {"a": tensor(0, 4, [1], "PY")}, bytes(4)), "type 'PY'"),
    "a type that is no text": (lambda p: written(p, {"a": {**tensor(0, 4, [1]), "dtype": [1]}}, bytes(4)), "type [1]"),
    "a negative shape": (lambda p: written(p, {"a": tensor(0, 4, [-1])}, bytes(4)), "shape [-1]"),
    "an enormous shape": (lambda p: written(p, {"a": tensor(0, 0, [10**18, 10**18])}), "shape"),
    "a fraction": (
        lambda p: written(p, b'{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', bytes(4)),
        "shape",
    ),
    "overlapping tensors": (
        lambda p: written(p, {"a": tensor(0, 8, [2]), "b": tensor(4, 12, [2])}, bytes(12)),
        "'b' overlaps",
    ),
    "a hole": (
        lambda p: written(p, {"a": tensor(0, 4, [1]), "b": tensor(8, 12, [1])}, bytes(12)),
        "4 bytes before 'b'",
    ),
    "bytes behind": (lambda p: written(p, {"a": tensor(0, 4, [1])}, bytes(99)), "take 4 bytes, the file holds 99"),
    "a name twice": (lambda p: written(p, b'{"a":1,"a":1}'), "twice"),
    "no JSON": (lambda p: written(p, b"{hello}"), "JSON"),
    "bytes that are no text": (lambda p: written(p, b"{\xff\xfe}"), "JSON"),
    "JSON without end": (lambda p: written(p, b'{"a":' + b"[" * 200_000), "JSON"),
    "an entry that is none": (lambda p: written(p, {"a": 3}), "'a' does not have"),
    "metadata that is no text": (lambda p: written(p, {"__metadata__": {"a": 1}}), "metadata"),
    "an image": (lambda p: (p.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), p)[1], "begin with a header"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_with_what_is_wrong(tmp_path: Path, lie: str) -> None:
    make, message = LIES[lie]
    with pytest.raises(WeightsError) as refused:
        read_header(make(tmp_path / "lie.safetensors"))
    assert message in str(refused.value)
    assert "lie.safetensors" in str(refused.value)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["torch", "old torch", "2", "3", "4", "5"])
def test_a_pickle_is_refused_and_nothing_of_it_is_executed(tmp_path: Path, kind: str) -> None:
    path, sprung = tmp_path / "weights.safetensors", tmp_path / "sprung"
    if kind.isdigit():
        path.write_bytes(pickle.dumps(Trap(sprung), protocol=int(kind)))
    else:
        torch.save({"a": Trap(sprung)}, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(WeightsError, match=r"is a pickle.*nothing of it was read"):
        load_checked(path, None)
    assert not sprung.exists()
    if kind.isdigit():
        pickle.loads(path.read_bytes())
        assert sprung.exists(), "the trap would have sprung"


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "absent"):
        with pytest.raises(WeightsError, match="not a file"):
            read_header(path)


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights({"a": torch.ones(2)}, path, {})
    planned = weights_digest(path)
    save_weights({"a": torch.zeros(2)}, path, {})
    with pytest.raises(WeightsError, match="changed since"):
        load_checked(path, planned)
