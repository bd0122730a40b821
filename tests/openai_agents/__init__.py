"""Tests with the OpenAI Agents SDK, in an environment that has it."""
