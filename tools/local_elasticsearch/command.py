"""The command: it prints the address on standard output, and stays until it is interrupted.

Run it with `python -m local_elasticsearch --version 8.19.8 --nodes 3`.
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from local_elasticsearch.address import RunningElasticsearch
from local_elasticsearch.cluster import LocalElasticsearch
from local_elasticsearch.distribution import DEFAULT_VERSION, DISTRIBUTIONS
from local_elasticsearch.errors import ElasticsearchStartError, ElasticsearchUnavailableError
from local_elasticsearch.finding import find_or_start
from local_elasticsearch.ports import is_free
from local_elasticsearch.terminal import say

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    # SIGINT too: a shell starts what runs in its background with that one ignored.
    before = {number: signal.signal(number, _interrupt) for number in _ENDING_SIGNALS}
    ready = False
    try:
        if options.until_input_ends:
            threading.Thread(target=_end_with_input, daemon=True).start()
        with find_or_start(options.version, **_start_options(options)) as server:
            ready = True  # before others read that it is
            print(json.dumps(server.environment) if options.variables else server.url, flush=True)
            if not options.variables:
                say(_welcome(server))
            while True:
                signal.pause()
    except KeyboardInterrupt:
        return 0 if ready else _INTERRUPTED
    except (ElasticsearchUnavailableError, ElasticsearchStartError, ValueError) as error:
        say(str(error))
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local_elasticsearch", description="Find or start a local Elasticsearch."
    )
    add = parser.add_argument
    add("--version", default=DEFAULT_VERSION, help=f"one of {', '.join(DISTRIBUTIONS)}")
    add("--port", type=int, help="the first node's port (default: a free one)")
    add("--preferred-port", type=int, metavar="PORT", help="the same, or another if it is taken")
    add("--password", help="turn security on, with this password for the user elastic")
    add("--nodes", type=int, default=1, help="how many nodes the cluster has (default: 1)")
    add("--data", help="keep the data in this folder (default: a temporary one)")
    add("--in-memory", action="store_true", help="keep temporary data in memory, if it has room")
    add("--heap", default="512m", help="each node's memory (default: 512m)")
    add("--quick-start", action="store_true", help="start in half the time, and run slower")
    add(
        "--setting",
        type=_setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one more Elasticsearch setting; may be given several times",
    )
    add(
        "--variables",
        action="store_true",
        help="for programs: print the variables that name the server, as JSON",
    )
    add(
        "--until-input-ends",
        action="store_true",
        help="for programs: end with standard input, and so with whoever holds it",
    )
    return parser


def _setting(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not key=value")
    return key, value


def _start_options(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "port": options.port or _preferred_port(options),
        "password": options.password,
        "nodes": options.nodes,
        "data": options.data,
        "in_memory": options.in_memory,
        "heap": options.heap,
        "quick_start": options.quick_start,
        "settings": dict(options.setting),
    }


def _preferred_port(options: argparse.Namespace) -> int | None:
    """Return the preferred port, or `None` where it or one for the other nodes is taken."""
    first: int | None = options.preferred_port
    if first is None or os.environ.get("ES_URL"):
        return None
    for port in range(first, first + options.nodes):
        if not is_free(port):
            say(f"Port {port} is taken; another one is used")
            return None
    return first


def _welcome(server: RunningElasticsearch | LocalElasticsearch) -> str:
    login = ""
    if server.api_key:
        login = ', es_api_key=input("API key: ")'
    elif server.user:
        login = f', es_user="{server.user}", es_password=input("Password: ")'
    end = "Ctrl-C ends it. Its data go with it, unless --data names a folder for them."
    if isinstance(server, RunningElasticsearch):
        end = "It is the one that ES_URL names: Ctrl-C ends this command alone."
    return f"""
Elasticsearch {server.version} is ready at {server.url}
Three lines to try, in a Python that has this package (pip install -e .):

    from elasticsearch_chat_history import ElasticsearchChatMessageHistory
    chat = ElasticsearchChatMessageHistory("chats", "try", es_url="{server.url}"{login})
    chat.add_user_message("Hello"); print(chat.messages); chat.close()

{end}"""


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Whoever is impatient would only break off the ending.
    for number in _ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_input() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
