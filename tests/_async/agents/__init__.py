"""Tests of the extra `agents`, whose twins are in tests/_sync/agents."""
