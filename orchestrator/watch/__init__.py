"""A live page of a sweep: what one look at its journal shows, and the server on loopback that hands it to a browser."""
