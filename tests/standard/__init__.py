"""Tests with packages that take long to install: once for each server, not for each Python."""
