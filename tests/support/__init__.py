"""Helpers of the tests, one subject each."""
