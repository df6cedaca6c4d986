"""Commands that are carried out on the head of a cluster (`kind: jobs`): asked for here, answered there."""
