"""Sheets of maps: what is drawn is read again, colours say what they are to say, and no file says more than it may."""

import json
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from trainables.stages.explained_sheet import Sheet, SheetContents, SheetRow, drawn, overlaid, read_sheet

METHODS = ("grad_cam", "saliency", "occlusion")
ROWS = (
    SheetRow("surest", "seven", "seven", 0.998),
    SheetRow("wrong", "數字 🙂", "nine" * 40, 0.51),
)
CONTENTS = SheetContents(METHODS, ROWS, ("Baseline: mean. " + "A word and another. " * 12,))


def pictures(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)


def maps(height: int, width: int) -> dict[str, np.ndarray]:
    drawn_by = np.random.default_rng(1)
    return {method: drawn_by.normal(size=(2, height, width)).astype(np.float32) for method in METHODS}


def sheet_of(content: bytes) -> Sheet:
    found = read_sheet(content)
    assert found is not None
    return found


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 9, 40), (3, 300, 200), (2, 1, 1)])
def test_a_sheet_is_read_as_it_was_drawn(shape: tuple[int, int, int]) -> None:
    shown, over = pictures(*shape), maps(*shape[1:])
    content = drawn(CONTENTS, shown, over)
    assert content == drawn(CONTENTS, shown, over), "the same bytes again"
    sheet = sheet_of(content)
    assert sheet.contents == CONTENTS
    assert [len(row) for row in sheet.tiles] == [4, 4]
    left, top, right, bottom = sheet.tiles[1][0]
    tile = np.asarray(sheet.image.crop((left, top, right, bottom)))
    if max(shape[1:]) <= 96:  # whole pixels, enlarged
        side = (bottom - top) // shape[1]
        grey = np.rint(shown[1].astype(np.float32).mean(axis=0)).astype(np.uint8)
        plain = shown[1].transpose(1, 2, 0) if shape[0] == 3 else np.repeat(grey[..., None], 3, axis=2)
        assert np.array_equal(tile, plain.repeat(side, axis=0).repeat(side, axis=1))
    else:
        assert (bottom - top, right - left) == (96, 64)
    left, top, right, bottom = sheet.tiles[0][3]
    first = np.asarray(sheet.image.crop((left, top, right, bottom)))
    if max(shape[1:]) <= 96:
        own = overlaid(shown[0], over["occlusion"][0], signed=True)
        assert np.array_equal(first[:: (bottom - top) // shape[1], :: (right - left) // shape[2]], own)


def test_colours_say_what_speaks_for_the_answer_and_what_against_it() -> None:
    grey = np.full((1, 2, 2), 128, np.uint8)
    values = np.array([[2, -2], [0, np.nan]], np.float32)
    signed = overlaid(grey, values, signed=True)
    assert signed[0, 0].tolist() == [213, 94, 0] and signed[0, 1].tolist() == [0, 114, 178]
    assert len(set(signed[1, 0].tolist())) == 1 and (signed[1, 1] == signed[1, 0]).all(), "nothing is grey, NaN too"
    sizes = overlaid(grey, np.abs(values), signed=False)
    assert sizes[0, 0].tolist() == sizes[0, 1].tolist() == [0, 158, 115]
    flat = overlaid(grey, np.zeros((2, 2), np.float32), signed=True)
    assert (flat == flat[0, 0, 0]).all(), "a map without contrast colours nothing"
    infinite = overlaid(grey, np.array([[np.inf, 1], [0, 0]], np.float32), signed=True)
    assert infinite[0, 1].tolist() == [213, 94, 0]


def test_a_row_is_told_in_words() -> None:
    assert [row.text for row in ROWS] == [
        "surest: seven, said seven (1.00)",
        f"wrong: 數字 🙂, taken for {'nine' * 40} (0.51)",
    ]
    assert SheetRow("my.png", None, "cat", 0.25).text == "my.png: said cat (0.25)"


def forged(**changed: object) -> bytes:
    """The sheet with another text in it."""
    content = drawn(CONTENTS, pictures(1, 8, 8), maps(8, 8))
    with Image.open(BytesIO(content)) as image:
        assert isinstance(image, PngImagePlugin.PngImageFile)
        (name, text), *_ = image.text.items()
        info = PngImagePlugin.PngInfo()
        info.add_itxt(name, json.dumps({**json.loads(text), **changed}))
        written = BytesIO()
        image.save(written, "PNG", pnginfo=info)
    return written.getvalue()


def test_what_is_no_sheet_is_none() -> None:
    content = drawn(CONTENTS, pictures(1, 8, 8), maps(8, 8))
    plain, bomb = BytesIO(), BytesIO()
    Image.new("RGB", (90, 90)).save(plain, "PNG")
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    jpeg = BytesIO()
    Image.new("RGB", (90, 90)).save(jpeg, "JPEG")
    for other in (b"", b"text", content[:200], content[:-500], plain.getvalue(), bomb.getvalue(), jpeg.getvalue()):
        assert read_sheet(other) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"contents": "nothing"},
        {"contents": {"methods": ["grad_cam"], "rows": []}},
        {"lefts": [0]},
        {"tops": [0, 100_000]},
        {"lefts": [-1, 10, 10, 10]},
        {"width": 0},
        {"height": 5_000},
        {"width": "1e9"},
    ],
)
def test_a_text_that_leads_out_of_the_picture_is_refused(changed: dict[str, object]) -> None:
    assert read_sheet(forged()) is not None
    assert read_sheet(forged(**changed)) is None


def test_a_sheet_without_any_map_has_its_pictures() -> None:
    content = drawn(replace(CONTENTS, methods=()), pictures(1, 8, 8), {})
    assert [len(row) for row in sheet_of(content).tiles] == [1, 1]
