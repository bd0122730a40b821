"""The tests; a package, so that both twins may use one file name."""
