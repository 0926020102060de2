"""Sync after sync, for as long as you like, from a vendor that throttles, drips and cuts: `make soak`."""
