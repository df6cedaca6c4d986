"""The kinds of attention over the channels and places of a feature map (their layers: `trainables.networks.attention`)."""

from typing import Literal

Attention = Literal["none", "se", "cbam"]
"""Squeeze-and-excitation (Hu et al. 2018), or CBAM (Woo et al. 2018)."""
