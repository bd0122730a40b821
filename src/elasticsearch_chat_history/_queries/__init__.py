"""Queries, sorts and aggregations, and what the responses to them mean."""
