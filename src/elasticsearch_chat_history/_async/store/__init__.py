"""What a store does with all sessions of an index."""
