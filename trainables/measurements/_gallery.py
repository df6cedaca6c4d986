"""A few test pictures of a net with their maps, for the eye: what it is surest of, least sure of, and gets wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.errors import NoMap
from trainables.measurements._maps import Maps, standardised
from trainables.stages.explained_sheet import SheetContents, SheetRow, drawn
from trainables.stages.measured_net import MeasuredNet

SUREST, LEAST_SURE, WRONG = "surest", "least sure", "wrong"
_RIGHT: Final = 2
"""Pictures that the net answers rightly, of each end."""
_WRONG: Final = 4


@dataclass(frozen=True, slots=True)
class Picked:
    """A test picture."""

    about: str
    place: int
    """In the test split."""


def picked(outputs: Tensor, targets: Tensor) -> list[Picked]:
    """Of right answers the two surest and the two that are least sure, and the four surest of the wrong ones.

    outputs: logits (n, classes); targets: int64 (n,). Fewer where there are fewer, and none twice; of those that are equally
    sure the first.
    """
    sure = outputs.double().log_softmax(dim=1).amax(dim=1).nan_to_num(nan=-torch.inf).cpu().numpy()
    right = (outputs.argmax(dim=1) == targets).cpu().numpy()
    order = np.argsort(-sure, kind="stable")
    rightly, wrongly = order[right[order]], order[~right[order]]
    least = rightly[_RIGHT:][-_RIGHT:]
    parts = ((SUREST, rightly[:_RIGHT]), (LEAST_SURE, least[::-1]), (WRONG, wrongly[:_WRONG]))
    return [Picked(about, int(place)) for about, places in parts for place in places]


def gallery(net: MeasuredNet, maps: Maps, methods: Iterable[str], called: str) -> bytes | None:
    """The PNG; None where the test split is empty. called: the baseline of the maps."""
    chosen = picked(net.tested.outputs, net.tested.targets)
    if not chosen:
        return None
    places = np.array([each.place for each in chosen], np.int64)
    inputs = standardised(net.data, net.data.split.test[places])
    said = net.answers(places)
    found: dict[str, NDArray[np.float32]] = {}
    notes = [f"Baseline: {called}. At its own 99th percentile a map has its full colour.", *_fewer(net, chosen)]
    for method in methods:
        try:
            asked = said.outputs.argmax(dim=1).to(inputs.device)
            found[method] = maps.of(method, net.module, inputs, asked).numpy()
        except NoMap as none:
            notes.append(f"No {method}: {none}.")
    rows = tuple(_rows(net, chosen))
    return drawn(SheetContents(tuple(found), rows, tuple(notes)), net.images(places), found)


def _rows(net: MeasuredNet, chosen: Iterable[Picked]) -> Iterator[SheetRow]:
    names = net.data.info.classes
    probabilities = net.tested.outputs.double().softmax(dim=1).cpu()
    for each in chosen:
        answer = int(net.tested.outputs[each.place].argmax())
        target = names[int(net.tested.targets[each.place])]
        yield SheetRow(each.about, target, names[answer], float(probabilities[each.place, answer].nan_to_num()))


def _fewer(net: MeasuredNet, chosen: Iterable[Picked]) -> Iterator[str]:
    """What there are fewer of than are wanted, in words."""
    wrong = sum(each.about == WRONG for each in chosen)
    if wrong < _WRONG:
        yield f"Of {len(net.data.split.test):,} test pictures {wrong or 'none'} {'is' if wrong == 1 else 'are'} wrong."
    right = sum(each.about != WRONG for each in chosen)
    if right < 2 * _RIGHT:
        yield f"Of {len(net.data.split.test):,} test pictures {right or 'none'} {'is' if right == 1 else 'are'} right."
