"""Compatibility with langchain-elasticsearch, which runs in an environment of its own."""
