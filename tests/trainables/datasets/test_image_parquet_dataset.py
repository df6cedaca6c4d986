"""A user's own images in Parquet files."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainables.datasets.parquet_files import image, split_of, write
from trainables.dataset import DataLocation
from trainables.datasets.image_parquet import ImageParquet
from trainables.errors import BrokenImage, DataError, DataMissing


@pytest.mark.parametrize(
    ("labels", "classes", "targets"),
    [
        (pa.array([7, 3, 7], pa.int8()), ("3", "7"), [1, 0, 1]),
        (pa.array([10, 9, 10], pa.uint16()), ("9", "10"), [1, 0, 1]),
        (["owl", "crow", "owl"], ("crow", "owl"), [1, 0, 1]),
        (pa.array(["owl", "crow", "owl"]).dictionary_encode(), ("crow", "owl"), [1, 0, 1]),
        (pa.array(["owl", "crow", "owl"], pa.large_string()), ("crow", "owl"), [1, 0, 1]),
        ([True, False, True], ("false", "true"), [1, 0, 1]),
    ],
    ids=["int8", "uint16", "text", "dictionary", "large text", "boolean"],
)
def test_classes_are_the_sorted_labels(
    place: DataLocation, data: Path, labels: object, classes: tuple[str, ...], targets: list[int]
) -> None:
    write(data / "birds.parquet", labels)
    dataset = ImageParquet(path="birds.parquet")
    info, examples = dataset.info(place), dataset.load(place)
    assert (info.classes, info.shape, info.official_test) == (classes, (1, 4, 6), False)
    np.testing.assert_array_equal(examples.targets, targets)
    assert examples.targets.dtype == np.int64
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [0, 1, 2])


@pytest.mark.parametrize(
    "metadata",
    [
        {"classes": "crow, dodo,owl"},
        {"classes": '["crow", "dodo", "owl"]'},
        {"huggingface": json.dumps({"info": {"features": {"label": {"names": ["crow", "dodo", "owl"]}}}})},
    ],
    ids=["classes", "a JSON list", "huggingface"],
)
@pytest.mark.parametrize("labels", [[2, 0, 2], ["owl", "crow", "owl"]], ids=["numbers", "texts"])
def test_class_names_of_the_metadata(
    place: DataLocation, data: Path, metadata: dict[str, str], labels: list[object]
) -> None:
    write(data / "birds.parquet", labels, metadata=metadata)
    assert ImageParquet(path="birds.parquet").info(place).classes == ("crow", "dodo", "owl")
    np.testing.assert_array_equal(ImageParquet(path="birds.parquet").load(place).targets, [2, 0, 2])


def test_a_name_may_hold_a_comma_in_a_json_list(place: DataLocation, data: Path) -> None:
    write(data / "birds.parquet", [1, 0], metadata={"classes": json.dumps(["owl, barn", "häher"])})
    assert ImageParquet(path="birds.parquet").info(place).classes == ("owl, barn", "häher")


def test_names_of_booleans(place: DataLocation, data: Path) -> None:
    write(data / "birds.parquet", [True, False, True], metadata={"classes": "crow,owl"})
    assert ImageParquet(path="birds.parquet").info(place).classes == ("crow", "owl")
    np.testing.assert_array_equal(ImageParquet(path="birds.parquet").load(place).targets, [1, 0, 1])


def test_files_that_name_their_classes_otherwise_are_refused(place: DataLocation, data: Path) -> None:
    write(data / "set" / "more.parquet", [0, 1])
    write(data / "set" / "test.parquet", [0, 1], first=2, metadata={"classes": "crow,owl"})
    write(data / "set" / "train.parquet", [0, 1], first=4, metadata={"classes": "crow,owl"})
    assert ImageParquet(path="set").info(place).classes == ("crow", "owl")
    write(data / "set" / "test.parquet", [0, 1], metadata={"classes": "owl,crow"})
    message = r"set/train\.parquet names the classes crow, owl, and test\.parquet owl, crow; number the labels of both"
    with pytest.raises(DataError, match=message):
        ImageParquet(path="set").info(place)


@pytest.mark.parametrize("labels", [[0, 2, 0], ["crow", "wren", "crow"]], ids=["numbers", "texts"])
def test_a_class_of_the_test_split_alone_is_named(place: DataLocation, data: Path, labels: list[object]) -> None:
    write(data / "set" / "train.parquet", [0, 1, 1] if labels[0] == 0 else ["crow", "owl", "owl"])
    write(data / "set" / "test.parquet", labels)
    with pytest.raises(DataError, match=f"no rows to learn from of the class {labels[1]}, of which the test split has"):
        ImageParquet(path="set").info(place)


def test_a_folder_of_test_rows_alone_is_refused_and_the_file_itself_is_not(place: DataLocation, data: Path) -> None:
    write(data / "set" / "test.parquet", [0, 1])
    with pytest.raises(
        DataMissing, match=r"set holds test\.parquet and nothing to learn from; add a train\.parquet, or"
    ):
        ImageParquet(path="set").info(place)
    assert not ImageParquet(path="set/test.parquet").info(place).official_test


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("default/train/0000", "default/test/0000"),
        ("data/train-00000-of-00002", "data/test-00000-of-00001"),
        ("train/a", "test/a"),
        ("Training/a", "Testing/deeper/a"),
        ("plain/partial-train/0000", "plain/partial-test/0000"),
        ("split=train/a", "split=test/a"),
        ("Split=validation/a", "Split=test/a"),
        ("validation/a", "test/a"),
        ("train", "test/a"),
        ("test/train-0", "test/b"),
    ],
)
def test_files_in_folders_called_as_splits(place: DataLocation, data: Path, train: str, test: str) -> None:
    write(data / "hub" / f"{train}.parquet", [0, 1])
    write(data / "hub" / f"{test}.PARQUET", [1, 0], first=2)
    write(data / "hub" / ".hidden" / "test" / "a.parquet", [1, 0], first=90)
    assert split_of(place, path="hub") == ([0, 1], [2, 3])


def test_a_split_that_is_named_itself_is_divided_as_the_protocol_says(place: DataLocation, data: Path) -> None:
    write(data / "hub" / "test" / "0000.parquet", [0, 1])
    write(data / "hub" / "train" / "0000.parquet", [0, 1], first=2)
    assert split_of(place, path="hub/test") == ([0, 1], [])


@pytest.mark.parametrize(
    ("values", "classes"),
    [(("0", "1"), ("0", "1")), (("owl", "night%20owl"), ("night owl", "owl")), (("007", "1"), ("007", "1"))],
)
def test_columns_that_are_names_of_folders(
    place: DataLocation, data: Path, values: tuple[str, str], classes: tuple[str, ...]
) -> None:
    for number, value in enumerate(values):
        for split in ("train", "test"):
            path = data / "hive" / f"split={split}" / f"label={value}" / f"who={number}" / "part-0.parquet"
            table = pq.read_table(write(path, [0, 0], first=10 * number + 2 * (split == "test")))
            pq.write_table(table.drop_columns(["label"]), path)
    dataset = ImageParquet.from_parameters({"path": "hive", "groups": "who", "size": 4})
    examples = dataset.load(place)
    assert dataset.info(place).classes == classes
    pairs = zip(examples.targets, examples.inputs[:, 0, 0, 0], strict=True)
    named = {(classes[label], int(value) // 10) for label, value in pairs}
    assert named == {(value.replace("%20", " "), number) for number, value in enumerate(values)}
    assert examples.official_test.tolist() == [False] * 4 + [True] * 4
    assert examples.groups is not None and len(set(examples.groups.tolist())) == 2


def test_a_folder_without_a_label_is_reported_and_a_column_goes_before_the_folders(
    place: DataLocation, data: Path
) -> None:
    write(data / "hive" / "label=x" / "a.parquet", [0, 1])
    assert ImageParquet(path="hive").info(place).classes == ("0", "1")
    for value in ("__HIVE_DEFAULT_PARTITION__", "owl"):
        path = write(data / "null" / f"label={value}" / "a.parquet", [0, 1])
        pq.write_table(pq.read_table(path).drop_columns(["label"]), path)
    with pytest.raises(DataError, match=r"row 0 of .*__HIVE_DEFAULT_PARTITION__/a\.parquet has no 'label'"):
        ImageParquet(path="null").info(place)


def test_several_data_sets_in_one_folder_are_not_mixed(place: DataLocation, data: Path) -> None:
    for name in ("default", "extra"):
        write(data / "hub" / name / "train" / "0000.parquet", [0, 1])
    with pytest.raises(DataMissing, match="hub holds several data sets, default, extra; give the path of one of them"):
        ImageParquet(path="hub").info(place)
    assert ImageParquet(path="hub/extra").info(place).classes == ("0", "1")


def test_test_rows_in_folders_alone_are_refused(place: DataLocation, data: Path) -> None:
    write(data / "hub" / "default" / "test" / "0000.parquet", [0, 1])
    with pytest.raises(DataMissing, match=r"hub holds default/test/0000\.parquet and nothing to learn from"):
        ImageParquet(path="hub").info(place)


def test_a_link_back_ends(place: DataLocation, data: Path) -> None:
    write(data / "hub" / "train" / "a.parquet", [0, 1])
    (data / "hub" / "train" / "test").symlink_to(data / "hub")
    assert split_of(place, path="hub") == ([0, 1], [])


@pytest.mark.parametrize(
    "names",
    [
        ("train", "test"),
        ("train-00000-of-00001", "test-00000-of-00001"),
        ("a", "test"),
        ("testament", "Test_1"),
        ("attest", "testing"),
    ],
)
def test_a_file_of_test_rows_is_the_official_split(place: DataLocation, data: Path, names: tuple[str, str]) -> None:
    write(data / "set" / f"{names[0]}.parquet", [0, 1, 2])
    write(data / "set" / f"{names[1]}.parquet", [2, 1], first=3)
    examples = ImageParquet(path="set").load(place)
    assert ImageParquet(path="set").info(place).official_test
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(examples.targets, [0, 1, 2, 2, 1])
    np.testing.assert_array_equal(examples.official_test, [False, False, False, True, True])


def test_structs_of_bytes_and_columns_of_other_names(place: DataLocation, data: Path) -> None:
    images = pa.array([{"bytes": image(value), "path": None} for value in (5, 6)])
    pq.write_table(pa.table({"photo": images, "kind": ["a", "b"]}), data / "hub.parquet")
    examples = ImageParquet(path="hub.parquet", image="photo", label="kind").load(place)
    np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], [5, 6])


def test_the_fingerprint_is_of_content_however_it_is_packed(place: DataLocation, data: Path) -> None:
    labels = [value % 3 for value in range(40)]
    write(data / "one.parquet", labels)
    write(data / "two.parquet", labels, compression="zstd", row_group_size=7)
    write(data / "parts" / "a.parquet", labels[:15])
    write(data / "parts" / "b.parquet", labels[15:], first=15)
    prints = {ImageParquet(path=path).fingerprint(place) for path in ("one.parquet", "two.parquet", "parts")}
    assert len(prints) == 1
    write(data / "other" / "a.parquet", labels, first=1)
    write(data / "named" / "a.parquet", labels, metadata={"classes": "x,y,z"})
    (data / "split").mkdir()
    (data / "parts" / "a.parquet").rename(data / "split" / "a.parquet")
    (data / "parts" / "b.parquet").rename(data / "split" / "test.parquet")
    prints |= {ImageParquet(path=path).fingerprint(place) for path in ("other", "named", "split")}
    assert len(prints) == 4


def test_every_broken_image_is_named_with_its_row(place: DataLocation, data: Path) -> None:
    images = pa.array([image(1), b"no image", image(2), None, image(3)[:50]])
    pq.write_table(pa.table({"image": images, "label": [0, 1, 0, 1, 0]}), data / "birds.parquet")
    with pytest.raises(BrokenImage) as broken:
        ImageParquet.from_parameters({"path": "birds.parquet", "size": 4, "channels": 1}).load(place)
    assert broken.value.path == f"{data}/birds.parquet#1"
    assert f"(also broken: {data}/birds.parquet#3, {data}/birds.parquet#4)" in str(broken.value)


def test_metadata_of_another_program_that_makes_no_sense_names_no_classes(place: DataLocation, data: Path) -> None:
    write(data / "birds.parquet", [0, 1], metadata={"huggingface": "[" * 100_000})
    assert ImageParquet(path="birds.parquet").info(place).classes == ("0", "1")


@pytest.mark.parametrize(
    ("labels", "metadata", "message"),
    [
        ([0, None, 1], None, "row 1 of .*birds.parquet has no 'label'"),
        ([0.5, 1.5, 2.5], None, "the column 'label' of .* is double; labels are whole numbers, texts or booleans"),
        ([1, 1, 1], None, "all rows of .* have the label 1; at least two classes are needed"),
        ([0, 1, 3], {"classes": "a,b,c"}, "has the label 3, and names for the classes 0 to 2"),
        ([0, -1, 1], {"classes": "a,b,c"}, "has the label -1"),
        ([0, 1, 1], {"classes": "a,a"}, "names a class twice"),
        ([0, 1, 1], {"classes": "a,,b"}, "names a class twice or not at all: a, , b"),
        (
            [0, 1, 1],
            {"classes": '["a", "b"'},
            "`classes` in the metadata of .*birds.parquet cannot be read: .*JSON list",
        ),
        ([0, 1, 1], {"classes": '{"0": "a"}'}, "is {.*; give a JSON list of texts, or names joined by commas"),
        ([0, 1, 1], {"classes": '["a", 1]'}, "give a JSON list of texts"),
        ([0, 1, 1], {"classes": "[" * 100_000}, "`classes` in the metadata of .* cannot be read: .*recursion"),
        ([0, 1, 1], {b"classes": b"a,\xff"}, "`classes` in the metadata of .* cannot be read: .*utf-8"),
        (["a", "", "b"], None, "row 1 of .*birds.parquet has no 'label'"),
        (["a", "c", "b"], {"classes": "a,b"}, "has the label 'c', and its metadata names the classes a, b"),
        ([False, False], None, "all rows of .* have the label 0"),
    ],
    ids=[
        *("null", "fractions", "one class", "beyond the names", "below the names", "names twice", "no name"),
        *(
            "cut JSON",
            "a JSON object",
            "a number",
            "deep JSON",
            "not UTF-8",
            "empty text",
            "a text without a name",
            "one boolean",
        ),
    ],
)
def test_labels_that_do_not_fit(
    place: DataLocation, data: Path, labels: list[object], metadata: dict[str, str] | None, message: str
) -> None:
    write(data / "birds.parquet", labels, metadata=metadata)
    with pytest.raises(DataError, match=message):
        ImageParquet(path="birds.parquet").info(place)


def test_columns_that_do_not_fit(place: DataLocation, data: Path) -> None:
    write(data / "birds.parquet", [0, 1])
    with pytest.raises(DataError, match="has no column 'photo'; it has image, label"):
        ImageParquet(path="birds.parquet", image="photo").info(place)
    with pytest.raises(DataError, match=r"the column 'label' of .* is int64, not encoded images"):
        ImageParquet(path="birds.parquet", image="label").info(place)


def test_files_that_are_not_there_or_no_parquet(place: DataLocation, data: Path) -> None:
    (data / "empty").mkdir()
    (data / "text.parquet").write_text("image,label\n")
    write(data / "none.parquet", pa.array([], pa.int64()))
    with pytest.raises(DataMissing, match=f"gone is not there; looked for {data}/gone"):
        ImageParquet(path="gone").info(place)
    with pytest.raises(DataMissing, match=r"holds no \.parquet file"):
        ImageParquet(path="empty").info(place)
    with pytest.raises(DataError, match=r"cannot read the Parquet file .*text\.parquet"):
        ImageParquet(path="text.parquet").info(place)
    with pytest.raises(DataMissing, match="holds no rows"):
        ImageParquet(path="none.parquet").info(place)


def test_a_flipped_byte_is_an_error_of_the_file_or_of_a_image(place: DataLocation, data: Path) -> None:
    path = write(data / "birds.parquet", [0, 1] * 20, write_page_checksum=True)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for offset in random.integers(0, len(whole), 25):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        try:
            examples = ImageParquet(path="birds.parquet").load(place)
        except DataError as error:
            assert "birds.parquet" in str(error)
        else:  # of no consequence: an unused statistic, say
            np.testing.assert_array_equal(examples.inputs[:, 0, 0, 0], range(40))


@pytest.mark.skipif("ORCH_DATA" not in os.environ, reason="ORCH_DATA is not set")
def test_the_real_cifar10_as_jpeg(tmp_path: Path) -> None:
    place = DataLocation(Path(os.environ["ORCH_DATA"]), None, tmp_path)
    dataset = ImageParquet.from_parameters({"path": "cifar10_jpeg/test.parquet", "size": 32, "channels": 3})
    info, examples = dataset.info(place), dataset.load(place)
    assert info.classes[0] == "airplane"
    np.testing.assert_array_equal(np.bincount(examples.targets), [1000] * 10)
    means = examples.inputs.mean(axis=(0, 2, 3)) / 255
    np.testing.assert_allclose(means, [0.4942, 0.4851, 0.4504], atol=2e-3)  # the published test split's
