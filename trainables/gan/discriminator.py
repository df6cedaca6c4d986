"""A classifier whose last features can be looked at."""

from torch import Tensor, nn


class Discriminator(nn.Module):
    """Standardised pictures to (batch, classes) logits, by way of the features before the last layer.

    It has no output of its own for generated pictures: their logit is fixed at 0, which takes nothing from K + 1 classes,
    since softmax does not change when a number is added to all logits (Salimans et al. 2016, section 5).
    """

    def __init__(self, classifier: nn.Module) -> None:
        """classifier: a sequence of layers that ends with fully connected ones (`layers.fully_connected`)."""
        super().__init__()
        assert isinstance(classifier, nn.Sequential)
        *convolutions, fully_connected = classifier
        assert isinstance(fully_connected, nn.Sequential)
        *hidden, head = fully_connected
        self.features = nn.Sequential(*convolutions, *hidden)
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(inputs))
        return logits
