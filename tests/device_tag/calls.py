"""torch's calls, by their names: what each has to do with devices."""

from typing import Final


def _calls(names: str) -> frozenset[str]:
    return frozenset(names.split())


_NUMBERS: Final = """
    add sub rsub mul div true_divide floor_divide remainder pow lerp where clamp maximum minimum lt le gt ge eq ne addcmul
    addcdiv fill masked_fill logical_and logical_or bitwise_and bitwise_or atan2 copysign xlogy copy
"""
_OPERATORS: Final = "and or radd rmul rpow truediv rtruediv iadd isub imul itruediv iand ior"
ELEMENTWISE: Final = frozenset(
    f"{before}{name}{after}"
    for name in (*_NUMBERS.split(), *_OPERATORS.split())
    for before, after in (("", ""), ("", "_"), ("__", "__"), ("_foreach_", ""), ("_foreach_", "_"))
)
"""Where a tensor of the CPU without dimensions counts as a number."""
ANY_DEVICE: Final = _calls(
    """
    type_as expand_as view_as reshape_as is_same_size is_set_to _has_compatible_shallow_copy_type result_type can_cast
    promote_types register_hook set_data __deepcopy__ grad backward
    """
)
"""What takes tensors of several devices; the result is beside the first."""
ASKED_FOR: Final = _calls(
    """
    item tolist is_nonzero equal allclose __bool__ __int__ __float__ __index__ __complex__ __contains__ __repr__ __format__
    __reduce_ex__
    """
)
"""What gives values to the host."""
SHAPED_BY_VALUES: Final = _calls(
    """
    nonzero argwhere masked_select unique _unique2 unique_consecutive bincount multinomial combinations histc inv inverse
    cholesky solve eigh eigvalsh linalg_inv linalg_eigh
    """
)
"""What the host has to look at values for: how large the result is, or whether there is one."""
ON_ITS_OWN_DEVICE: Final = _calls("grad data _base T mT H mH real imag _grad")
"""Attributes that are tensors beside their owner."""
FROM_VALUES: Final = _calls("tensor as_tensor asarray new_tensor")
"""What makes a tensor of numbers that the host has."""
