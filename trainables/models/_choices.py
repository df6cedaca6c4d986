"""Choices that a model offers as parameters and that its layers are built from. Known without torch."""

from typing import Literal

Attention = Literal["none", "se", "cbam"]
"""Over channels and places of a feature map: squeeze-and-excitation (Hu et al. 2018), or CBAM (Woo et al. 2018)."""
Cell = Literal["rnn", "lstm", "gru"]
"""Elman 1990 with tanh, Hochreiter and Schmidhuber 1997, Cho et al. 2014."""
Read = Literal["rows", "columns", "patches"]
"""The steps in which an image is read."""
Stem = Literal["adapt", "original"]
"""Whether the first layers are made to fit the images: as many channels, and for small ones no loss of pixels."""
