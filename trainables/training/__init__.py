"""One trial, from its spec to its result."""
