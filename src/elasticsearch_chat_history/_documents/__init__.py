"""What is stored: messages as documents, and the fields of the index."""
