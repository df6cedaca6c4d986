"""Parquet files of images, as users have them."""

from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trainables.dataset import DataLocation
from trainables.datasets.image_parquet import ImageParquet


def image(value: int) -> bytes:
    stream = BytesIO()
    Image.new("L", (6, 4), value).save(stream, "PNG")
    return stream.getvalue()


def write(
    path: Path, labels: object, first: int = 0, metadata: dict[str, str] | None = None, **options: object
) -> Path:
    """As many images as labels, of the values `first`, `first` + 1, ..."""
    labels = labels if isinstance(labels, pa.Array) else pa.array(labels)
    images = pa.array([image(first + row) for row in range(len(labels))], pa.binary())
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, "label": labels}).replace_schema_metadata(metadata), path, **options)
    return path


def split_of(place: DataLocation, **parameters: object) -> tuple[list[int], list[int]]:
    """The images to learn from and those of the official test split."""
    examples = ImageParquet.from_parameters(parameters).load(place)
    values, official = examples.inputs[:, 0, 0, 0], examples.official_test
    return values[~official].tolist(), values[official].tolist()
