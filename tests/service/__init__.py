"""Tests of the chat service in examples/."""
