"""Tests of the extra `agents` that have no twin."""
