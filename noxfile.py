# /// script
# dependencies = ["nox[uv]>=2025.11.12"]
# ///
"""The project's tasks: `nox -l` lists them, `nox` runs what a change has to pass."""

import atexit
import os
import shutil
import sys
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import nox

sys.path.insert(0, "scripts")
from local_elasticsearch import find_or_start  # needs the path

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = "CI" in os.environ  # elsewhere, skipped and said so
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "build",
    "tests",
    "tools",
    "upstream",
    "faults",
    "demo",
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
DEFAULT_SERVER = "9.4.3"
OLD_SERVER = "8.19.8"
BENCHMARKS = ["one_caller", "concurrent_turns"]
UPSTREAM = ["langchain-elasticsearch==1.0.0", "elasticsearch[async]<9"]

MATRIX = [
    *((python, client, DEFAULT_SERVER) for python in PYTHONS for client in ("8", "9")),
    (OLDEST, "lowest", OLD_SERVER),
    (NEWEST, "8", OLD_SERVER),
]

# What takes long runs once for each server, and so does the measuring of what is reached.
# What the server decides also runs on the old one with the oldest of all.
WHOLE = {(NEWEST, "9", DEFAULT_SERVER), (NEWEST, "8", OLD_SERVER)}
# While one process waits for a server, the other computes. More would be too much for one node.
# What a file prepares for all its tests is prepared once.
PROCESSES = ["--numprocesses=2", "--dist=loadfile"]
# Folders with sessions of their own.
OTHER_TESTS = ["--ignore=tests/upstream", "--ignore=tests/tools"]

_servers = ExitStack()
atexit.register(_servers.close)


@nox.session
@nox.parametrize(["python", "client", "server"], MATRIX)
def tests(session: nox.Session, client: str, server: str) -> None:
    """Run the tests, but for those of `faults`, `upstream` and `tools`."""
    if server != DEFAULT_SERVER and "ES_URL" in os.environ:
        session.skip("ES_URL names the only server to use.")
    whole = (session.python, client, server) in WHOLE
    install(session, "test", *(["standard"] if whole else []), *CLIENTS[client])
    left_out = ["faults"]
    if not whole:
        left_out += ["heavy"] if server == OLD_SERVER else ["heavy", "server_side"]
    chosen = ["-m", f"not ({' or '.join(left_out)})", *OTHER_TESTS]
    if not whole:
        chosen.append("--ignore=tests/standard")
    arguments = [*chosen, *session.posargs]
    run_pytest(session, *arguments, server=server, measured=whole)


@nox.session(python=NEWEST)
def faults(session: nox.Session) -> None:
    """Run the tests that do real harm to nodes of their own."""
    install(session, "test")
    ignored = [*OTHER_TESTS, "--ignore=tests/standard"]
    run_pytest(session, "-m", "faults", *ignored, *session.posargs)


@nox.session(python=NEWEST)
def tools(session: nox.Session) -> None:
    """Test what the project is made with: the generator, the build, the local server."""
    install(session, "test")
    run_pytest(session, "tests/tools", *session.posargs)


@nox.session(python=NEWEST)
def upstream(session: nox.Session) -> None:
    """Exchange messages with the langchain-elasticsearch that we replace."""
    install(session, "test")
    python = environment_beside(session, "langchain-elasticsearch", *UPSTREAM)
    run_pytest(session, "tests/upstream", *session.posargs, UPSTREAM_PYTHON=python)


@nox.session(python=NEWEST)
def lint(session: nox.Session) -> None:
    """Check style, types and that the generated twins are fresh."""
    install(session, "lint", "standard", "test")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("python", "scripts/run_unasync.py", "--check")


@nox.session(python=NEWEST)
def generate(session: nox.Session) -> None:
    """Format the sources and write the synchronous twins anew."""
    session.install(*dependencies("generate"))
    session.run("ruff", "format")
    session.run("python", "scripts/run_unasync.py")


@nox.session
def demo(session: nox.Session) -> None:
    """Store real conversations through both twins, and compare what comes back."""
    install(session, "demo")
    server = server_environment(DEFAULT_SERVER)
    session.run("python", "examples/demo.py", *session.posargs, env=server)


@nox.session(python=NEWEST)
def benchmark(session: nox.Session) -> None:
    """Compare with plain requests and upstream; name a benchmark, or run all."""
    install(session, *UPSTREAM)
    names = [argument for argument in session.posargs if not argument.startswith("-")]
    options = [argument for argument in session.posargs if argument.startswith("-")]
    for name in names or BENCHMARKS:
        # What a disk costs is a part of what is measured.
        server = server_environment(DEFAULT_SERVER, in_memory=False)
        session.run("python", f"benchmarks/{name}.py", *options, env=server)


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


def install(session: nox.Session, *packages: str) -> None:
    """Install the project in place, dependency groups by name, and other packages."""
    groups = PROJECT["dependency-groups"]
    named = [package for package in packages if package in groups]
    others = [package for package in packages if package not in groups]
    session.install("-e", ".", *dependencies(*named), *others)


def dependencies(*groups: str) -> tuple[str, ...]:
    """List what dependency groups ask for."""
    return nox.project.dependency_groups(PROJECT, *groups)


def run_pytest(
    session: nox.Session,
    *arguments: str,
    server: str = DEFAULT_SERVER,
    measured: bool = True,
    **environment: str,
) -> None:
    """Run pytest on a server of this version, and measure what it reaches."""
    forget_earlier_coverage()
    session.notify("coverage")
    variables = {**server_environment(server), **environment}
    program = ["coverage", "run", "-m", "pytest"] if measured else ["pytest"]
    session.run(*program, *PROCESSES, *arguments, env=variables)


@cache
def forget_earlier_coverage() -> None:
    """Remove what another run of nox has measured."""
    for path in Path().glob(".coverage.*"):
        path.unlink()


@cache
def server_environment(version: str, *, in_memory: bool = True) -> dict[str, str]:
    """Start a server at the first need, for all sessions of this run."""
    server = find_or_start(version=version, quick_start=False, in_memory=in_memory)
    return dict(_servers.enter_context(server).environment)


def environment_beside(session: nox.Session, name: str, *packages: str) -> str:
    """Make an environment beside the session's own, or complete it; gives its Python."""
    folder = Path(session.create_tmp()).resolve() / name
    session.run("python", "-m", "venv", str(folder))
    python = shutil.which("python", path=os.pathsep.join([f"{folder}/bin", f"{folder}/Scripts"]))
    if python is None:
        session.error(f"{folder} has no Python.")
    session.run(python, "-m", "pip", "install", "--quiet", *packages, external=True)
    return python
