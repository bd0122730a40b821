"""What a history does with one session."""
