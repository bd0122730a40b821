"""A local Elasticsearch: find one or start one, and end it with whoever asked for it.

As a command it prints the URL on standard output and stays until it is interrupted:

    python scripts/local_elasticsearch.py --version 8.19.8 --nodes 3
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from elasticsearch_address import RunningElasticsearch, named_elasticsearch
from elasticsearch_cluster import LocalElasticsearch, Node
from elasticsearch_distribution import (
    DEFAULT_VERSION,
    DISTRIBUTIONS,
    ElasticsearchUnavailableError,
    say,
)
from elasticsearch_plan import ElasticsearchStartError

__all__ = [
    "DEFAULT_VERSION",
    "ElasticsearchStartError",
    "ElasticsearchUnavailableError",
    "LocalElasticsearch",
    "Node",
    "RunningElasticsearch",
    "find_or_start",
]


# On small machines Elasticsearch takes the serial garbage collector, which clears the old heap
# only when it is full. Above 95 % a node refuses all requests, so that it may stay there for ever.
FOR_LONG_RUNS: dict[str, Any] = {
    "heap": "1g",
    "settings": {"indices.breaker.total.limit": "100%"},
}


@contextlib.contextmanager
def find_or_start(
    version: str = DEFAULT_VERSION, **options: Any
) -> Iterator[RunningElasticsearch | LocalElasticsearch]:
    """Give the Elasticsearch that `ES_URL` names, else one of our own that ends with the block.

    Args:
        version: What to start; the Elasticsearch of `ES_URL` has the version that it has.
        options: As for `LocalElasticsearch`, with other defaults for many tests on one node;
            nothing of it is applied to that of `ES_URL`.
    """
    named = named_elasticsearch(os.environ)
    if named is not None:
        yield named
    else:
        with LocalElasticsearch(version, **{**FOR_LONG_RUNS, **options}) as server:
            yield server


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    return key, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Find or start a local Elasticsearch.")
    add = parser.add_argument
    add("--version", default=DEFAULT_VERSION, help=f"one of {', '.join(DISTRIBUTIONS)}")
    add("--port", type=int, help="the first node's port (default: a free one)")
    add("--password", help="turn security on, with this password for the user elastic")
    add("--nodes", type=int, default=1, help="how many nodes the cluster has (default: 1)")
    add("--data", help="keep the data in this folder (default: a temporary one)")
    add("--heap", default="512m", help="each node's memory (default: 512m)")
    add(
        "--setting",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one more Elasticsearch setting; may be given several times",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    # SIGINT too: a shell starts what runs in its background with that one ignored.
    before = {
        number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    ready = False
    try:
        with find_or_start(
            options.version,
            port=options.port,
            password=options.password,
            nodes=options.nodes,
            data=options.data,
            heap=options.heap,
            settings=dict(options.setting),
        ) as server:
            print(server.url, flush=True)
            ready = True
            say(f"Elasticsearch {server.version} is ready; Ctrl-C ends it")
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0 if ready else 130
    except (ElasticsearchUnavailableError, ElasticsearchStartError, ValueError) as error:
        say(str(error))
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
