"""What goes wrong when an Elasticsearch is found or started."""


class ElasticsearchUnavailableError(RuntimeError):
    """No Elasticsearch can be had; the message says what is missing and how to mend it."""


class ElasticsearchStartError(RuntimeError):
    """A node ended or was too slow; the message carries the end of its log."""


class DownloadError(RuntimeError):
    """Maven could not fetch the distribution."""
