"""Helpers that do the same for both twins; the synchronous ones are generated."""
