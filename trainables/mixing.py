"""Examples mixed with others of their batch: with whom, how much, and what becomes of their targets."""

import torch
from torch import Tensor


def partners(batch: Tensor, generator: torch.Generator) -> Tensor:
    """With whom each example is mixed: a permutation of the batch, int64 (batch,). Some may meet themselves."""
    return torch.randperm(len(batch), generator=generator, device=batch.device)


def own_shares(batch: Tensor, alpha: float, generator: torch.Generator) -> Tensor:
    """How much each example keeps of itself: float32 (batch,), each drawn from Beta(alpha, alpha)."""
    # in float64, since for a small alpha both draws of a pair would often be the smallest float32
    concentration = torch.full((2, len(batch)), alpha, dtype=torch.float64, device=batch.device)
    own, other = torch._standard_gamma(concentration, generator=generator)
    share: Tensor = own / (own + other)
    return share.float()


def mixed_targets(targets: Tensor, partner: Tensor, own: Tensor) -> Tensor:
    """Probabilities (batch, classes): `own` of an example's, the rest its partner's."""
    assert targets.is_floating_point(), "labels cannot be mixed: Regularizer.mixes_classes has to be set"
    return torch.lerp(targets[partner], targets, own.unsqueeze(1))
