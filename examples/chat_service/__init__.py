"""A chat service whose conversations are kept in Elasticsearch."""
