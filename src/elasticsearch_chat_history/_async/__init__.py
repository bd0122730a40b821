"""The canonical, asynchronous source: all that talks to Elasticsearch."""
