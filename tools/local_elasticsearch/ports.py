"""Choosing ports for nodes that several processes may start at once."""

import random
import socket

from local_elasticsearch.errors import ElasticsearchStartError
from local_elasticsearch.plan import LOOPBACK

# Below the ports that systems give to outgoing connections, so that none of those takes the port
# of a node that is down for a moment.
_PORTS = range(20_000, 32_000)


def choose_ports(first: int | None, nodes: int) -> list[tuple[int, int]]:
    """Return a free HTTP and a free transport port for each node."""
    wanted: list[int] = [] if first is None else list(range(first, first + nodes))
    for port in wanted:
        if not is_free(port):
            raise ElasticsearchStartError(f"Port {port} is taken")
    numbers = random.SystemRandom().sample(_PORTS, len(_PORTS))
    free = (port for port in numbers if port not in wanted and is_free(port))
    http_ports = wanted or [next(free) for _ in range(nodes)]
    return [(port, next(free)) for port in http_ports]


def is_free(port: int) -> bool:
    """Return whether a server can listen on this port."""
    with socket.socket() as probe:
        # As the server does: what is left of closed connections is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
