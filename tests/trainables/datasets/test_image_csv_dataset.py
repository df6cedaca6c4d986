"""A user's own images with a CSV file of their labels."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.trainables.datasets.conftest import PaintAt
from trainables.dataset import DataLocation
from trainables.datasets.image_csv import ImageCsv
from trainables.errors import BrokenImage, DataError, DataErrors, DataMissing, UnfitOption, each_of

LABELS = "image,label\na.png,owl\nb.png,crow\nsub/c.png,owl\nd.png,crow\n"
VALUES = {"a.png": 10, "b.png": 20, "sub/c.png": 30, "d.png": 40}


@pytest.fixture
def data(place: DataLocation, paint: PaintAt) -> Path:
    """Four images of one grey each, and their labels beside them."""
    assert place.data is not None
    for name, value in VALUES.items():
        paint(place.data / "set" / name, value)
    (place.data / "set" / "labels.csv").write_text(LABELS)
    return place.data / "set"


def write(data: Path, text: str | bytes, **parameters: object) -> ImageCsv:
    content = text.encode() if isinstance(text, str) else text
    (data / "labels.csv").write_bytes(content)
    return ImageCsv.from_parameters({"path": "set/labels.csv", **parameters})


def greys(dataset: ImageCsv, place: DataLocation) -> dict[int, object]:
    """What each image, known by its grey, is said to be."""
    info, examples = dataset.info(place), dataset.load(place)
    named = [info.classes[label] for label in examples.targets] if info.classes else examples.targets[:, 0].tolist()
    return dict(zip(examples.inputs[:, 0, 0, 0].tolist(), named, strict=True))


def faults(dataset: ImageCsv, place: DataLocation) -> list[str]:
    with pytest.raises(DataError) as error:
        dataset.info(place)
    return [str(part) for part in each_of(error.value)]


def test_each_line_is_an_image_with_a_class(place: DataLocation, data: Path) -> None:
    dataset = ImageCsv(path="set/labels.csv")
    info = dataset.info(place)
    assert (info.classes, info.shape, info.task, info.official_test) == (
        ("crow", "owl"),
        (1, 4, 6),
        "classification",
        False,
    )
    assert greys(dataset, place) == {10: "owl", 20: "crow", 30: "owl", 40: "crow"}
    assert dataset.load(place).groups is None
    assert dataset.sources(place) == ["b.png", "d.png", "a.png", "sub/c.png"]


@pytest.mark.parametrize(
    "text",
    [
        LABELS.replace("\n", "\r\n"),
        LABELS.replace("\n", "\r"),
        LABELS.rstrip("\n"),
        LABELS.replace(",", ";"),
        LABELS.replace(",", "\t"),
        LABELS.replace(",", "|"),
        "\ufeff" + LABELS,
        LABELS.replace("image,label", "Filename, Class"),
        LABELS.replace("image,label", "photo,species"),
        LABELS.replace("image,label", "label,species"),
        LABELS.replace("a.png", '"a.png"').replace("b.png", "./b.png").replace("sub/", "sub\\"),
        LABELS.replace("\n", "\n\n").replace("owl", " owl "),
        LABELS + ",\n , \n",
        LABELS.replace(".png", ""),
        LABELS.replace("\n", ",\n"),
        LABELS.replace("\n", ',"one, and\ntwo"\n').replace('label,"one, and\ntwo"', "label,note"),
    ],
    ids=[
        *("crlf", "cr", "no last end", "semicolons", "tabs", "bars", "byte order mark", "usual names", "two columns"),
        *("label is the image", "quotes and dots", "blank lines", "empty cells below", "no endings", "empty column"),
        "cells of two lines",
    ],
)
def test_files_as_they_come_say_the_same(place: DataLocation, data: Path, text: str) -> None:
    plain = ImageCsv(path="set/labels.csv")
    before = (plain.fingerprint(place), plain.digest())
    given = {"image": "label", "label": "species"} if text.startswith("label,") else {}
    dataset = write(data, text, **given)
    assert greys(dataset, place) == {10: "owl", 20: "crow", 30: "owl", 40: "crow"}
    assert (dataset.fingerprint(place), dataset.digest()) == before


def test_columns_that_are_named_go_before_usual_ones(place: DataLocation, data: Path) -> None:
    text = "id,file,label,kind\n1,a.png,x,owl\n2,b.png,x,crow\n3,d.png,y,crow\n"
    assert greys(write(data, text), place) == {10: "x", 20: "x", 40: "y"}
    assert greys(write(data, text, label="kind"), place) == {10: "owl", 20: "crow", 40: "crow"}
    found = write(data, text, label="kind").located(place)
    assert (found.image, found.label, found.group, found.images) == ("file", "kind", None, str(data))


def test_whole_numbers_are_classes_in_their_order(place: DataLocation, data: Path) -> None:
    dataset = write(data, "image,label\na.png,10\nb.png,9\nd.png,-1\n")
    assert dataset.info(place).classes == ("-1", "9", "10")
    assert greys(dataset, place) == {10: "10", 20: "9", 40: "-1"}
    assert write(data, "image,label\na.png,10\nb.png,9\nd.png,007\n").info(place).classes == ("007", "10", "9")


def test_the_test_split_and_groups_are_columns(place: DataLocation, data: Path) -> None:
    text = "image,label,split,group\na.png,owl,train,1\nb.png,crow,Val,1\nsub/c.png,owl,TEST,2\nd.png,crow,training,3\n"
    dataset = write(data, text)
    examples = dataset.load(place)
    assert dataset.info(place).official_test
    assert examples.inputs[examples.official_test][:, 0, 0, 0].tolist() == [30]
    assert examples.groups is not None
    by_grey = dict(zip(examples.inputs[:, 0, 0, 0].tolist(), examples.groups.tolist(), strict=True))
    assert by_grey[10] == by_grey[20] and len(set(by_grey.values())) == 3
    before = dataset.fingerprint(place)
    renamed = text.replace("split,group", "part,person")
    plain = write(data, renamed)
    assert plain.load(place).groups is None and not plain.info(place).official_test
    named = write(data, renamed, split="part", group="person")
    assert named.fingerprint(place) == before != plain.fingerprint(place)


def test_a_class_of_the_test_split_alone_is_named(place: DataLocation, data: Path) -> None:
    text = "image,label,split\na.png,owl,train\nb.png,crow,train\nd.png,wren,test\n"
    assert faults(write(data, text), place)[0].startswith(
        f"{data}/labels.csv has no images to learn from of the class wren, of which the test split has some"
    )
    assert "names no images to learn from" in faults(write(data, text.replace("train", "test")), place)[0]


def test_numbers_to_predict(place: DataLocation, data: Path) -> None:
    text = "image,age\na.png,1.5\nb.png,-2\nsub/c.png,1e1\nd.png,0\n"
    dataset = write(data, text, target="age")
    assert (dataset.info(place).task, dataset.info(place).classes) == ("regression", ())
    assert greys(dataset, place) == {10: 1.5, 20: -2.0, 30: 10.0, 40: 0.0}
    assert faults(write(data, text.replace("-2", "old"), target="age"), place) == [
        f"{data}/labels.csv:3: 'old' is not a number; give one, as in 1.5"
    ]
    (fault,) = faults(write(data, text.replace("-2", "nan"), target="age"), place)
    assert f"the column age has no finite number for 1 of 4 images: {data}/labels.csv:3 (missing, or NaN)" in fault
    both = write(data, text.replace("age", "age,label").replace("png,", "png,x,"), target="age", label="label")
    assert faults(both, place) == ["label and target are both given; give the one that is to be learnt"]


def test_the_images_lie_in_another_folder(place: DataLocation, data: Path, tmp_path: Path) -> None:
    plain = ImageCsv(path="set/labels.csv").fingerprint(place)
    for folder in ("pictures", "deep/er"):
        target = data.parent / folder
        target.parent.mkdir(exist_ok=True)
        data.rename(target)
        data.mkdir()
        (target / "labels.csv").rename(data / "labels.csv")
        for images in (folder, str(target)):
            dataset = ImageCsv(path="set/labels.csv", images=images)
            assert greys(dataset, place) == {10: "owl", 20: "crow", 30: "owl", 40: "crow"}
            assert dataset.fingerprint(place) == plain
        (data / "labels.csv").rename(target / "labels.csv")
        data.rmdir()
        target.rename(data)
    (data / "below").mkdir()
    for name in ("a.png", "b.png", "d.png", "sub"):
        (data / name).rename(data / "below" / name)
    assert ImageCsv(path="set/labels.csv", images="below").fingerprint(place) == plain
    (fault,) = faults(ImageCsv(path="set/labels.csv"), place)
    assert fault == (
        f"none of the 4 images of {data}/labels.csv can be read in {data}: line 2 names a.png, and there is no such file in "
        f"{data}; did you mean `images: below`?"
    )
    with pytest.raises(UnfitOption, match="the folder gone is not there") as unfit:
        ImageCsv(path="set/labels.csv", images="gone").info(place)
    assert unfit.value.option == "images"


def test_content_decides_the_identity(place: DataLocation, data: Path, paint: PaintAt) -> None:
    dataset = ImageCsv(path="set/labels.csv")
    before = dataset.fingerprint(place)
    head, *rest = LABELS.splitlines(keepends=True)
    assert write(data, "".join([head, *reversed(rest)])).fingerprint(place) == before
    first, again = dataset.load(place), ImageCsv(path="set/labels.csv").load(place)
    np.testing.assert_array_equal(first.inputs, again.inputs)
    # a label of the same length: neither size nor path of a file tells, only its content
    assert write(data, LABELS.replace("a.png,owl", "a.png,elk")).fingerprint(place) != before
    assert write(data, LABELS.replace("d.png,crow\n", "")).fingerprint(place) != before
    assert write(data, LABELS).fingerprint(place) == before
    paint(data / "a.png", 11)
    assert dataset.fingerprint(place) != before


def test_images_that_no_line_names_are_left_out_and_counted(place: DataLocation, data: Path, paint: PaintAt) -> None:
    paint(data / "more.png", 90)
    paint(data / "elsewhere" / "x.png", 91)
    (data / "notes.txt").write_text("x")
    outline = ImageCsv(path="set/labels.csv").outline(place)
    assert len(outline) == 4
    assert [(left.files, left.what) for left in outline.left_out] == [(1, ".png that labels.csv does not name")]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../secret.png", "it leads out of"),
        ("sub/../../secret.png", "it leads out of"),
        ("/etc/passwd", "it leads out of"),
        ("..\\secret.png", "it leads out of"),
        ("link.png", "it leads out of"),
        ("up/secret.png", "it leads out of"),
        ("gone.png", "there is no such file in"),
        ("A.PNG", "did you mean a.png?"),
        ("nowhere/a.png", "there is no folder nowhere in"),
        ("..", "there is no such file"),
        ("sub", "it is not a regular file"),
        ("pipe.png", "it is not a regular file"),
        ("self.png", ""),
        ("x" * 5000, "there is no such file in"),
        ("y" * 5000 + "/a.png", "name too long"),
        ("twice", "has twice.jpg, twice.png; name one"),
        ("dangling.png", "it is a link that leads to no file"),
    ],
)
def test_a_name_that_leads_out_or_to_no_file_is_refused(
    place: DataLocation, data: Path, paint: PaintAt, name: str, why: str
) -> None:
    paint(data.parent / "secret.png", 99)
    (data / "link.png").symlink_to(data.parent / "secret.png")
    (data / "up").symlink_to(data.parent)
    (data / "self.png").symlink_to("self.png")
    (data / "dangling.png").symlink_to("nothing.png")
    os.mkfifo(data / "pipe.png")
    paint(data / "twice.png", 50)
    paint(data / "twice.jpg", 50)
    (fault,) = faults(write(data, LABELS + f'"{name}",owl\n', size=4, channels=1), place)
    assert fault.startswith(f"{data}/labels.csv:6: ") and why.lower() in fault.lower()
    assert len(fault) < 1000


def test_links_within_the_folder_are_followed_and_are_the_same_image(place: DataLocation, data: Path) -> None:
    (data / "e.png").symlink_to(data / "sub" / "c.png")
    (data / "other").symlink_to(data / "sub")
    assert greys(write(data, "image,label\na.png,owl\ne.png,crow\n"), place) == {10: "owl", 30: "crow"}
    text = LABELS + "e.png,owl\nother/c.png,owl\n./a.png,owl\n"
    assert faults(write(data, text), place) == [
        f"{data}/labels.csv:{line}: line {first} names {data}/{name} too; an image has one line, so remove one of them"
        for line, first, name in ((6, 4, "sub/c.png"), (7, 4, "sub/c.png"), (8, 2, "a.png"))
    ]


LATIN = "image,label\na.png,owl\nb.png,h\xe4her\n".encode("latin-1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the first line has to name the columns, as in `image,label`; it is empty"),
        ("\n\n", ":1: the first line has to name the columns"),
        (
            "a.png,owl\nb.png,crow\n",
            ":1: the first line has to name the columns, as in `image,label`; it is a.png, owl",
        ),
        ("image,label,label\na.png,x,y\n", ":1: there is more than one column label; it has image, label, label"),
        (
            "x,y,z\na.png,x,y\n",
            ":1: no column is called as images are (image, path, file, filename, ...); it has x, y, z",
        ),
        ("image,y,z\na.png,x,y\n", ":1: no column is called as labels are (label, class, labels, class_name, ...)"),
        ("image,label\n", ": there is no line with an image; at least two classes are needed"),
        ("image,label\na.png,owl\nb.png,owl\n", ": all lines have the label owl; at least two classes are needed"),
        ("image,label\na.png,owl\nb.png,\n", ":3: there is no label; give one, or remove the line"),
        ("image,label\na.png,owl\n,crow\n", ":3: there is no image; give one, or remove the line"),
        ("image,label\na.png,owl\nb.png,crow,3\n", ":3: 3 cells, and the first line names 2 columns"),
        ("image,label\na.png,owl\nb.png\n", ":3: 1 cells, and the first line names 2 columns"),
        (
            "image,label,split\na.png,x,train\nb.png,y,other\n",
            ":3: the split is other; it has to be train, val or test",
        ),
        ("image,label,split\na.png,x,train\nb.png,y,\n", ":3: there is no split; give one, or remove the line"),
        ("image,label,group\na.png,x,1\nb.png,y,\n", ":3: there is no group; give one, or remove the line"),
        (f"image,label\na.png,x\nb.png,{'y' * 300}\n", ":3: the label has 300 bytes, of 255 at most"),
        (f"image,label\na.png,x\nb.png,{'y' * 200_000}\n", ":3: it is not a line of a CSV file: field larger than"),
        (
            f"image,label\na.png,x\n{'z' * (1 << 20)}\n",
            ":3: the line has more than 1,048,576 signs; is this the CSV file?",
        ),
        (
            'image,label\na.png,x\n"b.png,y\nd.png,z\n',
            ":3: it is not a line of a CSV file: unexpected end of data; a quotation",
        ),
        ('image,label\na.png,x\n"b.png"c,y\n', ":3: it is not a line of a CSV file: ',' expected after '\"'"),
        (
            "image,label\na.png,caf\u00e9\nb.png,cafe\u0301\n",
            " has two classes called caf\u00e9, which differ in spaces or",
        ),
        (LATIN, ":3: byte 0xe4 is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)"),
        (LABELS.encode("utf-16"), " is UTF-16; save it as UTF-8 (in Excel: CSV UTF-8)"),
        (b"image,label\na.png,x\nb.png,\0y\n", ":3: it contains a NUL, which text never does"),
        (b"PK\x03\x04sheet", " is a workbook or an archive; save the sheet as CSV (UTF-8)"),
        (b"PAR1\0\0", " is a Parquet file; read it with `image_parquet`, or save it as CSV"),
        (b"\x1f\x8b\0", " is compressed; unpack it"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_at_its_line(
    place: DataLocation, data: Path, text: str | bytes, message: str
) -> None:
    (fault,) = faults(write(data, text), place)
    assert fault.startswith(f"{data}/labels.csv{message}")
    assert len(fault.splitlines()) == 1


@pytest.mark.parametrize("option", ["image", "label", "target", "group", "split"])
def test_a_column_that_is_not_there_is_named_with_its_option(place: DataLocation, data: Path, option: str) -> None:
    with pytest.raises(UnfitOption, match=r"labels\.csv:1: there is no column imag; did you mean image\?") as unfit:
        ImageCsv.from_parameters({"path": "set/labels.csv", option: "imag"}).info(place)
    assert unfit.value.option == option


def test_all_lines_that_do_not_fit_are_reported_at_once_the_first_of_each_kind(place: DataLocation, data: Path) -> None:
    found = faults(write(data, LABELS + "gone.png,owl\na.png,\n,x\n"), place)
    assert [fault.removeprefix(f"{data}/labels.csv:")[:2] for fault in found] == ["7:", "7:", "8:", "6:"]
    found = faults(write(data, LABELS + "".join(f"{number}.png,owl\n" for number in range(1000))), place)
    assert len(found) == 21
    assert found[-1] == f"{data}/labels.csv: 980 more such faults"


def test_broken_images_are_named_with_their_lines(place: DataLocation, data: Path) -> None:
    (data / "b.png").write_bytes((data / "a.png").read_bytes()[:20])
    (data / "d.png").write_bytes(b"")
    dataset = ImageCsv.from_parameters({"path": "set/labels.csv", "size": 4, "channels": 1})
    with pytest.raises(BrokenImage) as broken:
        dataset.load(place)
    named = {broken.value.path, *broken.value.others}
    assert named == {f"{data}/labels.csv:3 ({data}/b.png)", f"{data}/labels.csv:5 ({data}/d.png)"}
    kept = dataset.outline(place, without=named)
    assert len(kept) == 2 and set(kept.targets.tolist()) == {1}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_refused_and_not_waited_for(place: DataLocation, data: Path, make: object) -> None:
    (data / "labels.csv").unlink()
    make(data / "labels.csv")
    with pytest.raises(DataMissing, match=r"(labels\.csv|zero) is not a file; the CSV file of labels is expected"):
        ImageCsv(path="set/labels.csv").info(place)


def test_labels_that_change_while_images_are_read_are_not_remembered(place: DataLocation, data: Path) -> None:
    dataset = ImageCsv(path="set/labels.csv")
    source = dataset._source(place)
    write(data, LABELS.replace("d.png,crow\n", ""))
    with pytest.raises(
        DataError, match=r"labels\.csv changed while it was read; start again when nothing writes to it"
    ):
        source.digest()


def test_hostile_cells_neither_break_lines_nor_steer_a_terminal(place: DataLocation, data: Path) -> None:
    text = LABELS + '"\x1b[2J\ngone",owl\n' + '"\u202egnp.png",owl\n'
    for fault in faults(write(data, text), place):
        assert fault.isprintable()


def test_errors_survive_their_way_between_processes(place: DataLocation, data: Path) -> None:
    with pytest.raises(DataErrors) as error:
        write(data, LABELS + "gone.png,\n").info(place)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)
