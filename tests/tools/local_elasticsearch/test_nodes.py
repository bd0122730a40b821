"""Nodes of our own: started, ended, harmed, and their data kept."""

import json
import socket
import urllib.request

import pytest

from local_elasticsearch import (
    ElasticsearchStartError,
    ElasticsearchUnavailableError,
    LocalElasticsearch,
)
from local_elasticsearch.address import named_elasticsearch
from tests.tools.programs import TOOLS, answers, open_folder, started, wait_for, without_a_server


def put(url: str, document: dict[str, str]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own address
        url,
        data=json.dumps(document).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        assert answer.status == 201


def test_a_node_ends_with_its_killed_owner_and_its_data_survive_that_and_a_kill() -> None:
    owner = (
        "import sys, time\n"
        "from local_elasticsearch import LocalElasticsearch\n"
        "server = LocalElasticsearch(data=sys.argv[1])\n"
        "server.start()\n"
        "print(server.url, flush=True)\n"
        "time.sleep(600)\n"
    )
    with open_folder() as folder:
        environment = without_a_server(PYTHONPATH=str(TOOLS))
        with started("-c", owner, str(folder), environment=environment) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            put(f"{url}/kept/_doc/1", {"text": "hello"})
            process.kill()
        assert wait_for(lambda: not answers(url))

        with LocalElasticsearch(data=folder, password="right") as server:
            node = server.nodes[0]
            assert node.request("/kept/_doc/1")[1]["_source"] == {"text": "hello"}
            found = named_elasticsearch(server.environment)
            assert found is not None
            assert (found.url, found.version) == (server.url, server.version)
            with pytest.raises(ElasticsearchUnavailableError, match="status 401"):
                named_elasticsearch({**server.environment, "ES_PASSWORD": "wrong"})
            assert "right" not in f"{server!r} {found!r}"

            url = server.url
            node.kill()
            assert not node.running
            assert not answers(url)
            server.settings["indexing_pressure.memory.limit"] = "64kb"
            node.start()
            assert server.url == url
            assert node.request("/kept/_doc/1")[1]["_source"] == {"text": "hello"}
            nodes = node.request("/_nodes/settings?flat_settings=true")[1]["nodes"]
            (settings,) = (each["settings"] for each in nodes.values())
            assert settings["indexing_pressure.memory.limit"] == "64kb"
        assert not answers(url)
        assert node.plan.data.is_dir()


def test_a_node_that_refuses_to_start_shows_its_log() -> None:
    server = LocalElasticsearch(settings={"no.such.setting": "1"})
    with pytest.raises(ElasticsearchStartError, match=r"no\.such\.setting"):
        server.start()
    assert server.nodes == []


def test_a_taken_port_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ElasticsearchStartError, match=f"Port {port} is taken"):
            LocalElasticsearch(port=port).start()
