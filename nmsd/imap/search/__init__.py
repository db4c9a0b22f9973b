"""SEARCH in pieces: the keys, the program they make, and the ways to return what was found."""
