"""Compares the cost of a sync with other ways to do the same job. Run it with `make bench`; see README.md."""
