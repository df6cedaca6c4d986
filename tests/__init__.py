"""The tests: a package of their own, since distributions that we use ship one of the same name."""
