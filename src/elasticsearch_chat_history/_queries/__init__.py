"""What is asked: queries, their sort, and what their answers mean."""
