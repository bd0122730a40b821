# /// script
# dependencies = ["nox[uv]>=2025.11.12"]
# ///
"""The project's tasks: `nox -l` lists them, `nox` runs what a change has to pass."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = "CI" in os.environ  # elsewhere, skipped and said so
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "build",
    "tests",
    "agents",
    "tools",
    "upstream",
    "openai_agents",
    "faults",
    "demo",
    "examples",
    "service_tests",
    "coverage",
]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]

CLIENTS = {
    "8": ["elasticsearch[async]<9"],
    "9": ["elasticsearch[async]>=9"],
    "lowest": ["elasticsearch[async]==8.19.0", "langchain-core==1.0.0"],
}
AGENTS = {
    "newest": [],
    "lowest": ["langchain==1.0.0", "langchain-core==1.0.0", "langgraph==1.0.0"],
}
DEFAULT_SERVER = "9.4.3"
OLD_SERVER = "8.19.8"
BENCHMARKS = [
    "one_caller",
    "concurrent_turns",
    "several_processes",
    "growth",
    "shards",
    "service_load",
]
QUICK_BENCHMARKS = ["one_caller", "concurrent_turns"]
UPSTREAM = ["langchain-elasticsearch==1.0.0", "elasticsearch[async]<9"]

# Each Python with client 9, and the oldest and the newest with client 8, too.
MATRIX = [
    *((python, "9", DEFAULT_SERVER) for python in PYTHONS),
    *((python, "8", DEFAULT_SERVER) for python in (OLDEST, NEWEST)),
    (OLDEST, "lowest", OLD_SERVER),
    (NEWEST, "8", OLD_SERVER),
]

# While one process waits for a server, the other computes. More would be too much for one node.
# What a file prepares for all its tests is prepared once.
PROCESSES = ["--numprocesses=2", "--dist=loadfile"]
# Folders with sessions of their own.
AGENTS_TESTS = ["tests/agents", "tests/_async/agents", "tests/_sync/agents"]
OTHER_TESTS = [
    f"--ignore={folder}"
    for folder in (
        *AGENTS_TESTS,
        "tests/examples",
        "tests/openai_agents",
        "tests/service",
        "tests/tools",
        "tests/upstream",
    )
]
STANDARD_TESTS = "--ignore=tests/standard"
PREFERRED_PORT = 9200  # the one of all examples
PORT_OF_THE_SERVICE = 8000  # uvicorn's own default

_servers = ExitStack()
atexit.register(_servers.close)


@nox.session
@nox.parametrize(["python", "client", "server"], MATRIX)
def tests(session: nox.Session, client: str, server: str) -> None:
    """Run the tests, but for those that have a session of their own."""
    if server != DEFAULT_SERVER and "ES_URL" in os.environ:
        session.skip("ES_URL names the only server to use.")
    # What takes long, and what the server decides, runs once for each server, and so does the
    # measuring of what is reached: the old one with the oldest of all, the other with the newest.
    if server == OLD_SERVER:
        whole = client == "lowest"
    else:
        whole = client == "9" and session.python == newest_python_here()
    has_standard = whole and client != "lowest"  # these tests need a newer langchain-core
    install(session, "test", *(["standard"] if has_standard else []), *CLIENTS[client])
    left_out = ["faults"] if whole else ["faults", "heavy", "server_side"]
    ignored = OTHER_TESTS if has_standard else [*OTHER_TESTS, STANDARD_TESTS]
    run_pytest(session, *chosen(session, left_out, ignored), server=server, measured=whole)


@nox.session
def quick(session: nox.Session) -> None:
    """Run most tests once, with the Python that nox has: enough while working."""
    install(session, "test", *CLIENTS["9"])
    ignored = [*OTHER_TESTS, STANDARD_TESTS]
    run_pytest(session, *chosen(session, ["faults", "heavy"], ignored), measured=False)


@nox.session
def faults(session: nox.Session) -> None:
    """Run the tests that do real harm to nodes of their own."""
    install(session, "test")
    run_pytest(session, "-m", "faults", *OTHER_TESTS, STANDARD_TESTS)


@nox.session
@nox.parametrize(["python", "langchain"], [(NEWEST, "newest"), (OLDEST, "lowest")])
def agents(session: nox.Session, langchain: str) -> None:
    """Test the extra `agents` with the newest and the lowest versions of langchain."""
    install(session, "test", *AGENTS[langchain], extra="agents")
    chosen_folders = [] if names_files(session) else AGENTS_TESTS
    run_pytest(session, *chosen_folders, measured=langchain == "newest")


@nox.session
def tools(session: nox.Session) -> None:
    """Test what the project is made with: the generator, the build, the local server."""
    install(session, "tools")
    run_pytest(session, *([] if names_files(session) else ["tests/tools"]))


@nox.session
def upstream(session: nox.Session) -> None:
    """Exchange messages with the langchain-elasticsearch that we replace."""
    install(session, "test")
    python = environment_beside(session, "langchain-elasticsearch", *UPSTREAM)
    chosen_folder = [] if names_files(session) else ["tests/upstream"]
    run_pytest(session, *chosen_folder, UPSTREAM_PYTHON=python)


@nox.session
@nox.parametrize("versions", ["newest", "lowest"])
def openai_agents(session: nox.Session, versions: str) -> None:
    """Run agents of the OpenAI Agents SDK with our sessions, and the examples of its page."""
    wanted = extra("openai-agents")
    if versions == "lowest":
        wanted = [requirement.partition(",")[0].replace(">=", "==") for requirement in wanted]
    install(session, "test", *wanted)
    examples = ["tests/test_examples.py", "-k", "openai"]
    chosen_tests = [] if names_files(session) else ["tests/openai_agents", *examples]
    run_pytest(session, *chosen_tests, measured=versions == "newest")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types and that the generated twins are fresh."""
    install(session, "lint", "standard", "test", extra="agents,openai-agents")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("pyright")
    session.run("python", "scripts/run_unasync.py", "--check")


@nox.session
def generate(session: nox.Session) -> None:
    """Format the sources and write the synchronous twins anew."""
    session.install(*dependencies("generate"))
    session.run("ruff", "format")
    session.run("python", "scripts/run_unasync.py")


@nox.session(venv_backend="none")
def server(session: nox.Session) -> None:
    """Start an Elasticsearch to try things with, and keep it until Ctrl-C."""
    options = [f"--preferred-port={PREFERRED_PORT}", *session.posargs]
    # A shell starts what runs in its background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with local_elasticsearch(*options) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            return
    if status:
        session.error("It did not start, or ended by itself.")


@nox.session
def demo(session: nox.Session) -> None:
    """Store real conversations through both twins, and compare what comes back."""
    install(session, "demo")
    variables = server_variables(DEFAULT_SERVER)
    session.run("python", "examples/demo.py", *session.posargs, env=variables)


@nox.session
def examples(session: nox.Session) -> None:
    """Run the other examples as their files say."""
    install(session, "examples", "test", extra="agents")
    chosen_folder = [] if names_files(session) else ["tests/examples"]
    run_pytest(session, *chosen_folder, measured=False)


@nox.session
def service(session: nox.Session) -> None:
    """Start an Elasticsearch and the chat service of examples/, and keep both until Ctrl-C."""
    install(session, "service", extra="agents" if os.environ.get("CHAT_AGENT") else None)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with serving(session) as process:
        try:
            status = process.wait()
        except KeyboardInterrupt:
            return
    if status:
        session.error("The service did not start, or ended by itself.")


@nox.session
def service_tests(session: nox.Session) -> None:
    """Test the chat service, and its page in Chromium where that is installed."""
    install(session, "service-test", extra="agents")
    chosen_folder = [] if names_files(session) else ["tests/service"]
    run_pytest(session, *chosen_folder, measured=False)


@nox.session
def benchmark(session: nox.Session) -> None:
    """Compare with plain requests and others; name a benchmark, or run all, or `--quick`."""
    install(session, "benchmark", "service", *UPSTREAM)
    names = [argument for argument in session.posargs if not argument.startswith("-")]
    options = [argument for argument in session.posargs if argument.startswith("-")]
    for name in names or (QUICK_BENCHMARKS if "--quick" in options else BENCHMARKS):
        variables = {"PYTHONPATH": "tools"}
        if name != "shards":  # which starts three nodes
            # What a disk costs is a part of what is measured.
            variables |= server_variables(DEFAULT_SERVER, in_memory=False)
        session.run("python", f"benchmarks/{name}.py", *options, env=variables)
    if "--keep" in options:
        session.run("python", "benchmarks/plots.py")
        session.run("python", "benchmarks/figures.py")


@nox.session
def build(session: nox.Session) -> None:
    """Build wheel and sdist, and import each from an environment with nothing else in it."""
    session.install(*dependencies("build"))
    shutil.rmtree(session.create_tmp())
    output = Path(session.create_tmp()) / "dist"
    session.run("python", "-m", "build", "--outdir", str(output))
    for path in sorted(output.iterdir()):
        python = environment_beside(session, path.name, str(path))
        packages = "elasticsearch_chat_history._async, elasticsearch_chat_history._sync"
        session.run(python, "-I", "-c", f"import {packages}", external=True)


@nox.session
def coverage(session: nox.Session) -> None:
    """Say what the tests of this run did not reach, in both twins."""
    if not list(Path().glob(".coverage.*")):
        session.skip("No tests were measured.")
    session.install("coverage[toml]")
    session.run("coverage", "combine")
    session.run("coverage", "report")


def install(session: nox.Session, *packages: str, extra: str | None = None) -> None:
    """Install the project in place, dependency groups by name, and other packages."""
    groups = PROJECT["dependency-groups"]
    named = [package for package in packages if package in groups]
    others = [package for package in packages if package not in groups]
    session.install("-e", f".[{extra}]" if extra else ".", *dependencies(*named), *others)


def dependencies(*groups: str) -> tuple[str, ...]:
    """List what dependency groups ask for."""
    return nox.project.dependency_groups(PROJECT, *groups)


def extra(name: str) -> list[str]:
    """List what an extra of the project asks for."""
    wanted: list[str] = PROJECT["project"]["optional-dependencies"][name]
    return wanted


def run_pytest(
    session: nox.Session,
    *arguments: str,
    server: str = DEFAULT_SERVER,
    measured: bool = True,
    **environment: str,
) -> None:
    """Run pytest on a server of this version, and measure what it reaches.

    With arguments of the caller it is a look at some tests: one process, nothing measured.
    """
    variables = {**server_variables(server), **environment}
    if session.posargs:
        session.run("pytest", *arguments, *session.posargs, env=variables)
        return
    program = ["pytest"]
    if measured:
        forget_earlier_coverage()
        session.notify("coverage")
        program = ["coverage", "run", "-m", "pytest"]
    session.run(*program, *PROCESSES, *arguments, env=variables)


def chosen(session: nox.Session, left_out: list[str], ignored: list[str]) -> list[str]:
    """Return pytest's arguments that leave out marks and folders; what is named always runs."""
    if names_files(session):
        return []
    if any(argument.startswith("-k") for argument in session.posargs):
        left_out = ["faults"]
    return ["-m", f"not ({' or '.join(left_out)})", *ignored]


def names_files(session: nox.Session) -> bool:
    """Tell whether the caller names files, folders or tests in them."""
    return any(Path(argument.partition("::")[0]).exists() for argument in session.posargs)


@cache
def forget_earlier_coverage() -> None:
    """Remove what another run of nox has measured."""
    for path in Path().glob(".coverage.*"):
        path.unlink()


@cache
def newest_python_here() -> str | None:
    """Find the newest of our Pythons that this machine has."""
    for version in reversed(PYTHONS):
        python = shutil.which(f"python{version}")
        # What pyenv puts on the path is there for Pythons, too, that are turned off.
        if (
            python
            and subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0
        ):
            return version
    return None


@cache
def server_variables(version: str, *, in_memory: bool = True) -> dict[str, str]:
    """Start a server at the first need, for all sessions of this run; gives its address."""
    options = [f"--version={version}", "--heap=1g", "--variables"]
    if in_memory:
        options.append("--in-memory")
    process = _servers.enter_context(local_elasticsearch(*options, stdout=subprocess.PIPE))
    return variables_from(process)


def variables_from(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Wait for a server that was started with `--variables`; gives its address."""
    answer = process.stdout.readline() if process.stdout else ""
    if not answer:
        raise nox.command.CommandFailed(reason="No Elasticsearch: it says above why.")
    variables: dict[str, str] = json.loads(answer)
    return variables


@contextmanager
def serving(session: nox.Session) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the chat service on an Elasticsearch; with the block the service ends, then the other.

    uvicorn prints the address. Arguments of the caller go to it.
    """
    options = [f"--preferred-port={PREFERRED_PORT}", "--variables"]
    with socket.socket() as probe:
        is_taken = probe.connect_ex(("127.0.0.1", PORT_OF_THE_SERVICE)) == 0
    port = 0 if is_taken else PORT_OF_THE_SERVICE
    command = [str(Path(session.bin) / "python"), "-m", "uvicorn"]
    command += ["--app-dir=examples", "--factory", "chat_service.app:create_app", f"--port={port}"]
    with local_elasticsearch(*options, stdout=subprocess.PIPE) as elasticsearch:
        variables = {**os.environ, **variables_from(elasticsearch)}
        with subprocess.Popen(
            [*command, *session.posargs],
            env=variables,
            start_new_session=True,  # Ctrl-C is for nox, which then ends it in order
        ) as process:
            try:
                yield process
            finally:
                process.terminate()


@contextmanager
def local_elasticsearch(
    *options: str, stdout: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """Run tools/local_elasticsearch: it ends with the block, and with nox however that ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "local_elasticsearch", "--until-input-ends", *options],
        env={**os.environ, "PYTHONPATH": str(Path("tools").resolve())},
        stdin=subprocess.PIPE,
        stdout=stdout,
        text=True,
        start_new_session=True,  # Ctrl-C is for nox, which then ends it in order
    ) as process:
        yield process


def environment_beside(session: nox.Session, name: str, *packages: str) -> str:
    """Make an environment beside the session's own, or complete it; gives its Python."""
    folder = Path(session.create_tmp()).resolve() / name
    session.run("python", "-m", "venv", str(folder))
    python = shutil.which("python", path=os.pathsep.join([f"{folder}/bin", f"{folder}/Scripts"]))
    if python is None:
        session.error(f"{folder} has no Python.")
    session.run(python, "-m", "pip", "install", "--quiet", *packages, external=True)
    return python
