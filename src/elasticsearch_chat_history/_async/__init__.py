"""The canonical, asynchronous source: all that sends requests to Elasticsearch."""
