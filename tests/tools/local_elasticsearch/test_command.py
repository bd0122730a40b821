"""The command: what it prints, which port it takes, and what ends it."""

import json
import signal
import socket
import subprocess
import sys
import textwrap
import urllib.request

import pytest

from local_elasticsearch.address import named_elasticsearch
from tests.tools.programs import (
    TOOLS,
    answers,
    free_port,
    open_folder,
    started,
    wait_for,
    without_a_server,
)

COMMAND = ("-m", "local_elasticsearch")
NOX_IN_THE_BACKGROUND = """
import runpy, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does
runpy.run_module("nox", run_name="__main__", alter_sys=True)
"""


def test_the_command_prints_a_url_and_ctrl_c_ends_it() -> None:
    with open_folder() as folder:
        environment = without_a_server(TMPDIR=str(folder), PYTHONPATH=str(TOOLS))
        with started(
            *COMMAND, "--setting", "node.attr.rack=seven", environment=environment
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with urllib.request.urlopen(f"{url}/_nodes") as answer:  # noqa: S310 - our own address
                (node,) = json.load(answer)["nodes"].values()
            assert node["attributes"]["rack"] == "seven"
            assert node["settings"]["network"]["host"] == "127.0.0.1"
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
        assert process.returncode == 0
        assert rest == ""
        assert not answers(url)
        assert list(folder.iterdir()) == []


def test_a_program_gets_a_server_that_ends_with_the_input() -> None:
    environment = without_a_server(PYTHONPATH=str(TOOLS))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        preferred = f"--preferred-port={port}"
        with started(
            *COMMAND, "--variables", "--until-input-ends", preferred, environment=environment
        ) as process:
            assert process.stdout is not None
            variables = json.loads(process.stdout.readline())
            found = named_elasticsearch(variables)
            output, errors = process.communicate()  # which closes the input
    assert found is not None
    assert not found.url.endswith(f":{port}")
    assert not answers(found.url)
    assert process.returncode == 0
    assert output == ""
    assert errors == f"Port {port} is taken; another one is used\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_server_of_nox_has_its_port_and_lines_to_try_and_ends_with_nox(
    number: signal.Signals,
) -> None:
    port = free_port()
    options = ("-s", "server", "--", f"--preferred-port={port}")
    noxfile = str(TOOLS.parent / "noxfile.py")
    environment = without_a_server(NOX_SCRIPT_MODE="none", NO_COLOR="1")
    with started(
        "-c", NOX_IN_THE_BACKGROUND, "-f", noxfile, *options, environment=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}"
        lines: list[str] = []
        while not any(line.startswith("Ctrl-C") for line in lines):
            lines.append(process.stderr.readline())
        code = textwrap.dedent("".join(line for line in lines if line.startswith("    ")))
        tried = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
        )
        assert "HumanMessage(content='Hello'" in tried.stdout

        naming = without_a_server(ES_URL=url, PYTHONPATH=str(TOOLS))
        with started(*COMMAND, environment=naming) as other:
            assert other.stdout is not None
            assert other.stdout.readline().strip() == url
            other.send_signal(signal.SIGINT)
            assert other.wait() == 0
        assert answers(url)

        process.send_signal(number)
        rest = process.stderr.read()
    assert wait_for(lambda: not answers(url))
    assert "Traceback" not in rest
    assert process.returncode == (0 if number == signal.SIGINT else -number)
