"""A grid's claims beside its results: which trials each is about, what they show, and how sure that is."""
