"""When a trial's state is kept, and how the trial goes on from it.

A checkpoint belongs to a trial and what it runs. On the CPU, with as many workers as wrote it, the trial then ends
bit-equal to one that was never interrupted. With another number of workers it goes on from its epoch with the same
global batches in the same order, but draws its random numbers anew, from seed, rank and epoch.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from errno import EINVAL, ELOOP
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trainables.columns import Scores, values_of
from trainables.context import Context, Signal
from trainables.data.files import atomic_write, is_hole, open_regular
from trainables.errors import CheckpointError
from trainables.interfaces import State
from trainables.records import EpochRow
from trainables.spec import Checkpoints, TrialTask
from trainables.training.evaluate import Outputs
from trainables.training.learner import Learner
from trainables.training.random import RandomStreams
from trainables.training.state import flattened, unflattened

# The files of a trial's checkpoints: `epoch-N.safetensors` with the tensors and `epoch-N.json` with all else.

FORMAT: Final = 1
"""Raised when a file comes to hold something else. Other formats are not read: such a trial starts anew."""
_NAME: Final = re.compile(r"epoch-(\d{1,9})\.json")


@dataclass(frozen=True, slots=True)
class Header:
    """Whose state it is."""

    trial_id: str
    configuration: str
    """Identity of what the trial runs. Not the same as `trial_id` where tuning has chosen other values since."""
    epoch: int
    world_size: int
    device: str
    """`cpu` or `cuda`: random generators of one are not those of the other."""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of one checkpoint, as they stand in its files."""

    header: Header
    state: Any
    """JSON."""
    tensors: bytes
    """In the safetensors format."""


def write(folder: Path, header: Header, state: Any, tensors: Mapping[str, Tensor]) -> None:
    """Write a checkpoint, whole or not at all. Raises OSError."""
    data = save(dict(tensors))
    refuse_link(folder)
    atomic_write(data, _tensors(folder, header.epoch))
    content = {"header": asdict(header), "tensors": _digest(data), "state": state}
    text = json.dumps({"checksum": _digest(_line(content)), "content": content})
    atomic_write(text.encode(), _json(folder, header.epoch))


def read(folder: Path, epoch: int) -> Contents:
    """Raises CheckpointError: it is damaged, or of another format."""
    try:
        return parsed(*raw(folder, epoch))
    except OSError as error:
        raise CheckpointError(f"cannot be read: {error}") from error


def parsed(text: bytes, tensors: bytes) -> Contents:
    """The contents of a checkpoint's two files. Raises CheckpointError: damaged, or of another format."""
    try:
        document = json.loads(text)
        content, checksum = document["content"], document["checksum"]
        header, digest, state = content["header"], content["tensors"], content["state"]
        if header["format"] != FORMAT:
            raise CheckpointError(f"is of format {header['format']}, not {FORMAT}")
        found = Contents(Header(**header), state, tensors)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError("is damaged: its JSON cannot be read") from error
    if _digest(_line(content)) != checksum:
        raise CheckpointError("is damaged: its JSON does not have its checksum")
    if _digest(tensors) != digest:
        raise CheckpointError("is damaged: its tensors do not have their checksum")
    return found


def raw(folder: Path, epoch: int) -> tuple[bytes, bytes]:
    """JSON and tensors as `parsed` takes them. Raises OSError."""
    found = []
    for path in (_json(folder, epoch), _tensors(folder, epoch)):
        with open_regular(path) as file:
            if is_hole(os.fstat(file.fileno())):
                raise OSError(EINVAL, "it is nearly all a hole", str(path))
            found.append(file.read())
    return found[0], found[1]


def epochs(folder: Path) -> list[int]:
    """Return the epochs of the checkpoints that are there, the newest first."""
    try:
        found = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:  # mostly there is no folder
        return []
    return sorted((int(match[1]) for match in found if match), reverse=True)


def keep_only(folder: Path, kept: Collection[int]) -> None:
    """Remove all other checkpoints, and what an attempt that was killed left unfinished. Raises OSError."""
    refuse_link(folder)
    names = {path.name for epoch in kept for path in (_json(folder, epoch), _tensors(folder, epoch))}
    # a checkpoint stops being there with its JSON, so that goes first
    for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".json"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def refuse_link(folder: Path) -> None:
    """Where the folder of a trial leads elsewhere, what lies there is not its checkpoints. Raises OSError."""
    if folder.is_symlink():
        raise OSError(ELOOP, "it is a link, and nothing is written through one", str(folder))


def _json(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch}.json"


def _tensors(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch}.safetensors"


def _line(content: Any) -> bytes:
    """The same for what was written and what is read: numbers keep their shortest form, keys their order."""
    return json.dumps(content, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


# How far the training of a trial has come.


@dataclass(slots=True)
class TrainingProgress:
    """What `fit` carries from epoch to epoch, beside what the learner knows."""

    history: list[EpochRow] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """The module's state after the epoch that is selected so far."""
    best_epoch: int | None = None
    best_val: Outputs | None = None
    """What these weights gave for the validation split."""
    examples: int = 0
    """Trained on, over all epochs and workers."""
    signal: Signal = Signal.GO_ON
    """What the ranks agreed on after the latest epoch."""


_PART: Final = 1 << 26
"""Bytes that are sent to the other ranks at a time."""


class CheckpointManager:
    """Keeps the checkpoints of one trial. Every rank calls its methods; only the first one touches the disk."""

    def __init__(self, trial_task: TrialTask, checkpoints: Checkpoints, scores: type[Scores], context: Context) -> None:
        """scores: of the trial's task."""
        self._trial_task, self._checkpoints, self._scores, self._context = trial_task, checkpoints, scores, context
        self._kept_at = time.monotonic()

    def restore(self, learner: Learner, streams: RandomStreams) -> TrainingProgress | None:
        """Return where the attempt before this one had come to; None where it starts from the beginning.

        Raises CheckpointError: the checkpoint does not fit the learner, which may have changed in part.
        """
        text, tensors = map(self._sent, self._own())
        if not text:
            return None
        contents = parsed(text, tensors)
        epoch = contents.header.epoch
        try:
            state = unflattened(contents.state, load(contents.tensors), self._context.device)
            learner.load_state(state["learner"])
            streams.load_state(state["streams"], epoch)
            progress = _progress(state["progress"], self._scores)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"does not fit this trial: {' '.join(str(error).split())[:300]}") from error
        if progress.best_epoch == epoch:
            progress.best = learner.weights()
        if contents.header.world_size != self._context.world_size:
            print(f"goes on from epoch {epoch} of {contents.header.world_size} workers with {self._context.world_size}")
        self._kept_at = time.monotonic()
        return progress

    def after_epoch(self, learner: Learner, streams: RandomStreams, progress: TrainingProgress, *, over: bool) -> None:
        """Keep the state if it is time to. over: this was the last epoch."""
        if not self._of_first(self._is_due(progress, over=over)):
            return
        state: State = {"learner": learner.state(), "streams": streams.state(), "progress": _kept(progress)}
        if self._context.rank == 0:
            self._write(state, progress)
        self._kept_at = time.monotonic()

    def _own(self) -> tuple[bytes, bytes]:
        """What this rank has of the checkpoint to go on from: all on the first, if it is there; nothing on the others."""
        if self._checkpoints.resume and self._context.rank == 0:
            with contextlib.suppress(OSError):  # it was there a moment ago
                return raw(self._checkpoints.folder, self._checkpoints.resume)
        return b"", b""

    def _is_due(self, progress: TrainingProgress, *, over: bool) -> bool:
        checkpoints = self._checkpoints
        if time.monotonic() - self._kept_at >= checkpoints.seconds:
            return True
        is_best = progress.best_epoch == len(progress.history)
        return (over and checkpoints.keep != "unfinished") or (is_best and checkpoints.keep == "best")

    def _write(self, state: State, progress: TrainingProgress) -> None:
        """A disk that is full is no reason to lose the trial."""
        folder, epoch = self._checkpoints.folder, len(progress.history)
        device = self._context.device.type
        header = Header(
            self._trial_task.trial_id, self._trial_task.spec.trial_id, epoch, self._context.world_size, device
        )
        kept = {epoch, progress.best_epoch or epoch} if self._checkpoints.keep == "best" else {epoch}
        tensors: dict[str, torch.Tensor] = {}
        try:
            write(folder, header, flattened(state, tensors), tensors)
            keep_only(folder, kept)
        except (OSError, TypeError, SafetensorError) as error:
            print(f"the checkpoint of epoch {epoch} could not be written to {folder}: {error}; the trial goes on")

    def _of_first(self, value: int) -> int:
        """The first rank's."""
        if self._context.world_size == 1:
            return value
        mine = torch.tensor(int(value) if self._context.rank == 0 else 0, device=self._context.device)
        return int(self._context.all_reduce(mine))

    def _sent(self, data: bytes) -> bytes:
        """The first rank's bytes, to all."""
        if self._context.world_size == 1:
            return data
        received = bytearray(self._of_first(len(data)))
        for start in range(0, len(received), _PART):
            size = min(_PART, len(received) - start)
            part = torch.zeros(size, dtype=torch.uint8)
            if self._context.rank == 0:
                part = torch.frombuffer(bytearray(data[start : start + size]), dtype=torch.uint8)
            summed = self._context.all_reduce(part.to(self._context.device)).to("cpu", torch.uint8)
            received[start : start + size] = summed.numpy().tobytes()
        return bytes(received)


def newest(trial_task: TrialTask, device: torch.device) -> int:
    """The epoch of the newest checkpoint that the trial can go on from; 0 where there is none.

    What is wrong with those that are passed over is printed, into the trial's log.
    """
    if trial_task.checkpoints is None:
        return 0
    folder = trial_task.checkpoints.folder
    for epoch in epochs(folder):
        try:
            contents = read(folder, epoch)
            _check_owner(contents.header, trial_task, epoch, device)
        except CheckpointError as error:
            print(f"the checkpoint {folder}/epoch-{epoch}.json is not used: it {error}")
        else:
            return epoch
    return 0


def _check_owner(header: Header, trial_task: TrialTask, epoch: int, device: torch.device) -> None:
    if header.trial_id != trial_task.trial_id or header.epoch != epoch:
        raise CheckpointError(f"is of epoch {header.epoch} of trial {header.trial_id}")
    if header.configuration != trial_task.spec.trial_id:
        raise CheckpointError("is of another configuration: tuning has chosen other values since")
    if header.device != device.type:
        raise CheckpointError(f"was written on {header.device}, and this is {device.type}")


def _kept(progress: TrainingProgress) -> State:
    val = progress.best_val
    is_best = progress.best_epoch == len(progress.history)
    return {
        "history": [values_of(row) for row in progress.history],
        "best": {} if is_best else progress.best,  # they are the learner's, which are kept anyway
        "best_epoch": progress.best_epoch,
        "best_val": None if val is None else {"outputs": val.outputs, "targets": val.targets},
        "examples": progress.examples,
        "signal": int(progress.signal),
    }


def _progress(state: State, scores: type[Scores]) -> TrainingProgress:
    val: dict[str, Any] | None = state["best_val"]
    return TrainingProgress(
        history=[EpochRow.of_values(row, scores) for row in state["history"]],
        best=state["best"],
        best_epoch=state["best_epoch"],
        best_val=None if val is None else Outputs(val["outputs"], val["targets"]),
        examples=state["examples"],
        signal=Signal(state["signal"]),
    )
