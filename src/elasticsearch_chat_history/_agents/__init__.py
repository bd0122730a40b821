"""What the agents' middleware and tools decide, without sending anything."""
