"""A trial's net, to be used: with its preprocessing, the names of its classes, and what it says of images."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from trainables.context import SingleContext
from trainables.data.files import open_regular, printable
from trainables.data.images import EncodedImage, read_each
from trainables.dataset import Dataset
from trainables.errors import BrokenImage, CannotDeploy, WeightsError
from trainables.process_state.precision import numerics
from trainables.protocol import Protocol
from trainables.spec import ParentTrial, TrialSpec
from trainables.stages.inputs import CPU, NetInputs
from trainables.stages.new_images import as_stored, unfit
from trainables.stages.onnx_file import OnnxNet, missing
from trainables.stages.parent import ParentNet, loaded_parent
from trainables.stages.variant import RestoresVariant
from trainables.task import task_of
from trainables.training.evaluate import batch_size, predict
from trainables.training.weights import load_checked

AnyImage = str | PathLike[str] | Image.Image | NDArray[np.uint8]
"""A file, an image of Pillow, or pixels: (height, width) grey, (height, width, 3) RGB or (height, width, 4) with opacity."""
_LARGEST: Final = 1 << 30
"""Bytes of a file that is read: twice what an image may have of pixels."""
ONNX: Final = ".onnx"
TORCH_EXPORT: Final = ".pt2"


@dataclass(frozen=True)
class Predictions:
    """What a net says of some images, in their order."""

    outputs: NDArray[np.float32]
    """(images, outputs): logits of the classes, or the numbers that it predicts."""
    classes: tuple[str, ...]
    """Of the outputs; none where it predicts numbers."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(images, classes), as they are measured: of a softmax in double precision. Raises ValueError without classes."""
        if not self.classes:
            raise ValueError("it predicts numbers: they are `outputs`")
        said: NDArray[np.float64] = torch.softmax(torch.from_numpy(self.outputs).double(), dim=1).numpy()
        return said

    @property
    def indices(self) -> NDArray[np.int64]:
        """(images,): of the most probable class. Raises ValueError without classes."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def labels(self) -> list[str]:
        """The most probable class of each image. Raises ValueError without classes."""
        return [self.classes[index] for index in self.indices]


@dataclass(frozen=True)
class TrialNet:
    """A trial's net on the CPU, evaluating.

    found = orchestrator.load("results/demo").trial("3fa9").model()
    found.predict(["seven.png"]).labels
    """

    net: nn.Module
    """float32 (images, outputs) of what `preprocess` gives."""
    inputs: NetInputs
    dataset: Dataset
    """Whose images it was trained on."""
    protocol: Protocol
    takes_stored: bool = False
    """Whether its preprocessing is inside: an ONNX file takes pixels as they are stored, 0 to 255."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in the order of the outputs; none where it predicts numbers."""
        return self.inputs.info.classes

    def stored(self, images: Iterable[AnyImage]) -> NDArray[np.uint8]:
        """Images of any size, format and colours as (images, channels, height, width), 0 to 255, as the data set keeps its
        own. Raises BrokenImage naming all that are broken, CannotDeploy where the net takes no single images.
        """
        shape = self.image_shape
        rows = read_each(self.stored_one, [_encoded(image, number) for number, image in enumerate(images)])
        return np.stack(rows) if rows else np.empty((0, *shape), np.uint8)

    def stored_one(self, image: EncodedImage) -> NDArray[np.uint8]:
        """The same of an image that may not be read yet, (channels, height, width). Raises as `stored`."""
        return as_stored(read(image), self.dataset, self.image_shape)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an input. Raises CannotDeploy where the net takes no single images."""
        match self.inputs.info.shape:
            case (channels, height, width):
                if (reason := unfit(self.dataset)) is not None:
                    raise CannotDeploy(reason)
                return channels, height, width
            case (frames, *_):
                raise CannotDeploy(f"it takes clips of {frames} frames, and not single images")
            case _:
                raise CannotDeploy(f"it takes inputs of the shape {self.inputs.info.shape}, and not images")

    @property
    def batch_size(self) -> int:
        """Images that go through it at once."""
        return batch_size(prod(self.inputs.info.shape), CPU)

    def preprocess(self, images: Iterable[AnyImage]) -> Tensor:
        """Images as `net` takes them: (images, channels, height, width). Raises as `stored`."""
        pixels = torch.from_numpy(self.stored(images))
        return pixels if self.takes_stored else self.inputs.batches(pixels.numpy()).standardise(pixels)

    def predict(self, images: Iterable[AnyImage]) -> Predictions:
        """What the net says of images. Raises as `stored`."""
        return self.said_of(self.stored(images))

    def said_of(self, stored: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> Predictions:
        """The same of inputs as they are stored, in batches as a trial measures them, and as precisely."""
        if not len(stored):
            return Predictions(np.empty((0, len(self.classes)), np.float32), self.classes)
        batches = self.inputs.batches(np.asarray(stored))
        if self.takes_stored:
            batches = batches.as_stored()
        with numerics(self.protocol):
            outputs = predict(self.net, batches, np.arange(len(stored)), self.protocol, this_process()).outputs
        self.net.eval()
        return Predictions(outputs.numpy(), self.classes)


def trained_net(spec: TrialSpec, inputs: NetInputs, weights: ParentTrial) -> TrialNet:
    """The net that a trial has trained. weights: its own. Raises WeightsError, and whatever building the model raises."""
    with torch.random.fork_rng([]):  # a net is built by its own seed
        module = parent_net(spec, inputs, weights).module
    return TrialNet(module, inputs, spec.dataset, spec.protocol)


def variant_net(spec: TrialSpec, inputs: NetInputs, shipped: Path, parent: ParentTrial) -> TrialNet:
    """The net that a deployment has made of another. shipped: its file; parent: whose net it was made of.

    Raises WeightsError, CannotDeploy where the file alone does not say what net it is of.
    """
    deployment = spec.deployment
    if shipped.suffix == ONNX:
        return TrialNet(file_net(shipped), inputs, spec.dataset, spec.protocol, takes_stored=True)
    if shipped.suffix == TORCH_EXPORT:
        raise CannotDeploy(
            f"{shipped.name} can run code when it is read; it gives what the net of its parent, {parent.trial_id}, gives,"
            " and where you trust it torch.export.load reads it"
        )
    if not isinstance(deployment, RestoresVariant):
        name = "nothing" if deployment is None else deployment.name
        raise CannotDeploy(f"{name} does not say how its net is made of {shipped.name} again")
    tensors = load_checked(shipped, None)
    with torch.random.fork_rng([]):
        parent_of_it = parent_net(spec, inputs, parent)
        try:
            module = deployment.restored(parent_of_it, tensors)
        except WeightsError as unfit:
            raise WeightsError(f"the weights in {shipped} cannot be used: {unfit}") from unfit
    return TrialNet(module.eval(), inputs, spec.dataset, spec.protocol)


def parent_net(spec: TrialSpec, inputs: NetInputs, weights: ParentTrial, noise: int = 0) -> ParentNet:
    """A trained net of which something is to be made without its data. noise: as in `NetInputs.without_data`.

    Raises WeightsError, and whatever building the model raises.
    """
    plain = spec.protocol.model_copy(update={"compile": False})
    uncompiled, data = replace(spec, protocol=plain), inputs.without_data(noise)
    return loaded_parent(uncompiled, task_of(inputs.info), data, weights.weights, weights.trial_id, this_process())


def file_net(path: Path) -> OnnxNet:
    """The net of an ONNX file. Raises CannotDeploy where onnxruntime is not installed, WeightsError."""
    if (reason := missing()) is not None:
        raise CannotDeploy(f"{path.name} is an ONNX file, and {reason}")
    try:
        return OnnxNet(path.read_bytes(), torch.get_num_threads())
    except Exception as damage:  # onnxruntime raises what it likes of bytes that are no net
        raise WeightsError(f"{path} is not an ONNX file that can be used: {str(damage).splitlines()[0]}") from damage


def this_process() -> SingleContext:
    """Where a net is used: on the CPU, by itself."""
    return SingleContext(CPU, lambda row: False)


# Images in whatever form they are given.


def read(image: EncodedImage) -> EncodedImage:
    """The same with its file read: a regular one, of a size that an image may have. Raises BrokenImage."""
    if isinstance(image.content, bytes):
        return image
    try:
        with open_regular(Path(image.content)) as file:
            content = file.read(_LARGEST + 1)
    except OSError as refused:
        raise BrokenImage(image.name, refused.strerror or repr(refused)) from refused
    if len(content) > _LARGEST:
        raise BrokenImage(image.name, f"it has more than {_LARGEST >> 30} GiB")
    return EncodedImage(image.name, content)


def _encoded(image: AnyImage, number: int) -> EncodedImage:
    match image:
        case str() | PathLike():
            path = fspath(image)
            return EncodedImage(printable(path), path)
        case Image.Image():
            return _as_png(image, f"#{number}")
        case np.ndarray():
            return _as_png(_of_pixels(image, f"#{number}"), f"#{number}")
    raise TypeError(f"image {number} is a {type(image).__name__}; give files, images of Pillow, or arrays of uint8")


def _of_pixels(pixels: NDArray[Any], name: str) -> Image.Image:
    shape: Sequence[int] = pixels.shape
    if pixels.dtype != np.uint8 or not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or not pixels.size:
        raise BrokenImage(name, f"it is {pixels.dtype} of the shape {tuple(shape)}, and not uint8 (height, width[, 3])")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _as_png(image: Image.Image, name: str) -> EncodedImage:
    """Written without loss, so that it is read as a file is."""
    written = BytesIO()
    try:
        image.save(written, "PNG", compress_level=0, exif=image.getexif())
    except OSError as refused:  # a mode that PNG has not
        raise BrokenImage(name, f"{refused}; convert it to RGB") from refused
    return EncodedImage(name, written.getvalue())
