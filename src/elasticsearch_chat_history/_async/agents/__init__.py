"""The work behind the agents' middleware and tools."""
