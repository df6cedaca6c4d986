"""What stands beside an exported net: how it is called, and how far it is from the net that it was made of."""

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.text import clean, one_line
from trainables.data.image_dataset import ImageDataset

if TYPE_CHECKING:
    from orchestrator.results.trial_net import TrialWithNet
    from trainables.dataset import Dataset
    from trainables.interfaces import Deployment
    from trainables.stages.inputs import NetInputs
    from trainables.stages.parity import Parity

_SESSION: Final = """\
session = onnxruntime.InferenceSession({file}, providers=["CPUExecutionProvider"])
outputs = session.run(["outputs"], {{"pixels": pixels}})[0]
"""
_PROGRAM: Final = """\
program = torch.export.load({file}).module()
outputs = program(torch.from_numpy(pixels.copy())).detach().numpy()
"""
_RUNS: Final = {"onnx": ("import onnxruntime", _SESSION), "torch_export": ("import torch", _PROGRAM)}
"""By format: what is imported, and what calls the file."""

_CHANGES: Final = ("denoise", "resize", "grayscale")
"""Options of a data set that change any image: noise and patches are added to its own alone."""


def readme(
    found: "TrialWithNet",
    file: Path,
    form: str,
    level: "Deployment | None",
    inputs: "NetInputs",
    parities: Sequence["Parity"],
    on: str,
) -> str:
    """The whole text, of one file and one trial the same every time."""
    made = "" if level is None else f", made into {one_line(level.canonical())}"
    trial = f"The net of trial {found.trial_id} ({_plain(found.kept.label)}){_plain(made)}"
    return "\n".join(
        [
            f"# {_plain(file.name)}",
            "",
            f"{trial}, exported by orch {version('orch-grid')}.",
            "",
            *_called(form, inputs),
            "",
            "```python",
            *_example(file.name, form, inputs),
            "```",
            "",
            *_before(found.kept.spec.dataset, len(inputs.info.shape) == 3),
            "",
            f"Beside the net that was trained, on {on}:",
            "",
            *table(parities),
            "",
        ]
    )


def table(parities: Sequence["Parity"]) -> list[str]:
    """The parity report as a table of Markdown."""
    rows = [
        f"| {each.batch} | {each.examples} | {each.max_abs_difference:.3g} | {each.scale:.3g} |"
        f" {'' if each.agreement is None else f'{each.agreement:.4%}'} |"
        for each in parities
    ]
    return [
        "| examples at once | examples | largest difference | largest output | same class |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]


def _before(dataset: "Dataset", images: bool) -> list[str]:
    """What the program does with an image before it is pixels of this size."""
    if not images:
        return ["Frames are brought to this size whole."]
    asked = [name for name in dataset.of_pixels() if name in _CHANGES]
    named = [f"`{name}: {dataset.parameters()[name]}`" for name in asked]
    if isinstance(dataset, ImageDataset) and type(dataset).part is not ImageDataset.part:
        named.append("taking the middle of each")
    more = (
        f" Before, its data set's images went through {' and '.join(named)}; `orch predict` does the same."
        if named
        else ""
    )
    return [
        "An image of another size is brought to this one whole, with bilinear filtering; 16 bits are brought to 8, and"
        f" what is transparent is put on white.{more}"
    ]


def _called(form: str, inputs: "NetInputs") -> list[str]:
    shape = ", ".join(map(str, inputs.info.shape))
    axes = "channels, height, width" if len(inputs.info.shape) == 3 else "frames, channels, height, width"
    named = form == "onnx"
    classes = inputs.info.classes
    said = f"logits of {len(classes)} classes, in the order of `CLASSES`" if classes else "the numbers that it predicts"
    count = len(classes) or inputs.info.targets
    return [
        f"- Input{' `pixels`' if named else ''}: uint8, (batch, {shape}): batch, {axes}; 0 to 255, as an image has them. It"
        " standardises them itself.",
        f"- Output{' `outputs`' if named else ''}: float32, (batch, {count}): {said}.",
    ]


def _example(name: str, form: str, inputs: "NetInputs") -> list[str]:
    imported, calls = _RUNS[form]
    called = calls.format(file=json.dumps(name)).splitlines()
    match inputs.info.shape:
        case (channels, height, width):
            mode, axes = ("L", "[None, None]") if channels == 1 else ("RGB", ".transpose(2, 0, 1)[None]")
            read = f'Image.open("image.png").convert("{mode}").resize(({width}, {height}), Image.Resampling.BILINEAR)'
            start = ["import numpy", imported, "from PIL import Image", "", f"image = {read}"]
            start.append(f"pixels = numpy.asarray(image, numpy.uint8){axes}")
        case shape:
            start = [
                "import numpy",
                imported,
                "",
                f"pixels = numpy.zeros((1, {', '.join(map(str, shape))}), numpy.uint8)",
            ]
    classes = inputs.info.classes
    if not classes:
        return [*start, *called, "print(outputs[0])"]
    return [*start, *called, f"CLASSES = {json.dumps(classes)}", "print(CLASSES[outputs[0].argmax()])"]


def _plain(text: str) -> str:
    """Names are a user's, and no Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in clean(one_line(text)))
