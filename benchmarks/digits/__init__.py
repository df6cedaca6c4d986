"""The grid of `examples/digits_fused.yaml`, as a loop that anyone would write."""
