"""Tests of what the project is made with: generator, build, local server."""
