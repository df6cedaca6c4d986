"""The trials of `examples/digits_fused.yaml` by hand: no records, no checkpoints, one look at the test split."""

from dataclasses import dataclass
from itertools import product
from typing import Final

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

EPOCHS, BATCH_SIZE = 20, 32
_RATES: Final = {"sgd": (0.01, 0.03, 0.1, 0.3), **dict.fromkeys(("adam", "adamw", "rmsprop"), (3e-4, 1e-3, 3e-3, 1e-2))}


@dataclass(frozen=True, slots=True)
class Configuration:
    """One trial."""

    model: str
    optimizer: str
    lr: float
    dropout: float
    seed: int


ALL: Final = tuple(
    Configuration(model, optimizer, lr, dropout, seed)
    for model, optimizer in product(("mlp", "cnn"), _RATES)
    for lr, dropout, seed in product(_RATES[optimizer], (0.0, 0.1, 0.3, 0.5), (0, 1))
)


def train_and_measure(configuration: Configuration) -> float:
    """The test accuracy, after validating every epoch as a trial does."""
    torch.set_num_threads(1)
    torch.manual_seed(configuration.seed)
    (train, labels), (val, val_labels), (test, test_labels) = _split(configuration.seed)
    net = _net(configuration)
    optimizer = _optimizer(configuration, net)
    best, kept = -1.0, net.state_dict()
    for _ in range(EPOCHS):
        net.train()
        for chosen in torch.randperm(len(train)).split(BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(net(train[chosen]), labels[chosen]).backward()  # type: ignore[no-untyped-call] # torch's
            optimizer.step()
        if (accuracy := _accuracy(net, val, val_labels)) > best:
            best, kept = accuracy, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return _accuracy(net, test, test_labels)


def _split(seed: int) -> list[tuple[Tensor, Tensor]]:
    pixels, targets = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    test, val, train = order[:359], order[359:538], order[538:]
    images = (images - images[train].mean()) / images[train].std()
    labels = torch.tensor(targets)
    return [(images[part], labels[part]) for part in (train, val, test)]


def _net(configuration: Configuration) -> nn.Module:
    dropout = nn.Dropout(configuration.dropout) if configuration.dropout else nn.Identity()
    if configuration.model == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), dropout, nn.Linear(128, 10))
    maps = [nn.Conv2d(1, 8, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 16, 3, padding=1), nn.MaxPool2d(2)]
    head = [nn.ReLU(), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), dropout, nn.Linear(32, 10)]
    return nn.Sequential(*maps, *head)


def _optimizer(configuration: Configuration, net: nn.Module) -> torch.optim.Optimizer:
    match configuration.optimizer:
        case "sgd":
            return torch.optim.SGD(net.parameters(), lr=configuration.lr, momentum=0.9, fused=True)
        case "adam":
            return torch.optim.Adam(net.parameters(), lr=configuration.lr, fused=True)
        case "adamw":
            return torch.optim.AdamW(net.parameters(), lr=configuration.lr, fused=True)
        case _:
            return torch.optim.RMSprop(net.parameters(), lr=configuration.lr, foreach=True)


def _accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    net.eval()
    with torch.inference_mode():
        return float((net(images).argmax(dim=1) == labels).double().mean())
