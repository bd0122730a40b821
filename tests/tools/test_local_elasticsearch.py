"""The local Elasticsearch, on real nodes: it is found, started, ended and kept as promised."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import elasticsearch_distribution
import elasticsearch_jdk
from elasticsearch_address import named_elasticsearch
from elasticsearch_distribution import Distribution, install, unpack
from elasticsearch_jdk import find_java, java_version
from elasticsearch_process import OwnedProcess
from local_elasticsearch import (
    ElasticsearchStartError,
    ElasticsearchUnavailableError,
    LocalElasticsearch,
    find_or_start,
    main,
)
from unprivileged_user import closed_folder

SCRIPTS = Path(elasticsearch_distribution.__file__).parent
COMMAND = SCRIPTS / "local_elasticsearch.py"
END_SECONDS = 30


def wait_for(condition: Callable[[], bool], seconds: float = END_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    address = urllib.parse.urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname or "", address.port or 0)) == 0


def without_a_server(**variables: str) -> dict[str, str]:
    """Return this environment without what names a server or a place for its files."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ES_")} | (
        variables
    )


def put(url: str, document: dict[str, str]) -> None:
    request = urllib.request.Request(  # noqa: S310 - our own address
        url,
        data=json.dumps(document).encode(),
        headers={"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - as above
        assert answer.status == 201


@contextmanager
def open_folder() -> Iterator[Path]:
    """Give a temporary folder that other users may enter, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@contextmanager
def started(
    *command: str, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


# Real nodes


def test_the_command_prints_a_url_and_ctrl_c_ends_it() -> None:
    with open_folder() as folder:
        environment = without_a_server(TMPDIR=str(folder))
        with started(
            str(COMMAND), "--setting", "node.attr.rack=seven", environment=environment
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
        environment = without_a_server(PYTHONPATH=str(SCRIPTS))
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


# Finding one


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a machine on which nothing of what a server needs is there."""
    for name in [name for name in os.environ if name.startswith("ES_")] + ["JAVA_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(elasticsearch_distribution, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(elasticsearch_jdk, "USUAL_FOLDERS", ())


@pytest.mark.usefixtures("nothing")
def test_without_anything_it_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    for words in (
        "ES_URL is not set",
        "docker is not on the PATH",
        "mvn is not on the PATH",
        "no JDK 21 or newer; looked at ES_JAVA_HOME: none; JAVA_HOME: none",
        "1. Set ES_URL",
        "2. Start a Docker engine",
        "3. Install Maven (mvn) and a JDK, 21 or newer",
    ):
        assert words in output.err


@pytest.mark.usefixtures("nothing")
def test_a_docker_without_an_engine_says_what_it_says(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'is the daemon running?' >&2\nexit 1\n")
    docker.chmod(0o755)
    with pytest.raises(ElasticsearchUnavailableError, match=r"is the daemon running\?"):
        LocalElasticsearch().start()


@pytest.mark.usefixtures("nothing")
def test_an_unknown_version_says_which_there_are() -> None:
    with pytest.raises(ElasticsearchUnavailableError, match=r"9\.4\.3, 8\.19\.8"):
        LocalElasticsearch("7.0.0").start()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ES_URL": "http://127.0.0.1:1"}, "no Elasticsearch answers at http://127.0.0.1:1"),
        ({"ES_URL": "http://u:secret@127.0.0.1:1"}, "answers at http://127.0.0.1:1:"),
        ({"ES_URL": "somewhere"}, "no address"),
        ({"ES_URL": "http://127.0.0.1:1", "ES_USER": "me"}, "ES_USER and ES_PASSWORD"),
    ],
)
def test_a_wrong_es_url_is_an_error(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ES_USER", "ES_PASSWORD", "ES_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ElasticsearchUnavailableError) as caught, find_or_start():
        pass
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


# A process that ends with its owner


def test_an_owned_process_ends_with_its_children(tmp_path: Path) -> None:
    script = f"trap '' TERM; sleep 600 & echo $! > {tmp_path}/child; wait"
    process = OwnedProcess(["sh", "-c", script], log=tmp_path / "log")
    assert wait_for((tmp_path / "child").exists)
    assert wait_for(lambda: (tmp_path / "child").read_text().strip() != "")
    child = int((tmp_path / "child").read_text())
    process.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not process.running


def test_an_owned_process_ends_although_a_forked_child_of_its_owner_lives(tmp_path: Path) -> None:
    owner = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from elasticsearch_process import OwnedProcess\n"
        "folder = Path(sys.argv[1])\n"
        "(folder / 'temporary' / 'gone').mkdir(parents=True)\n"
        "line = f'echo $$ > {folder}/number; exec sleep 600'\n"
        "process = OwnedProcess(['sh', '-c', line], log=folder / 'log',\n"
        "    remove_when_orphaned=[folder / 'temporary' / 'gone'])\n"
        "forked = os.fork()\n"
        "if forked:\n"
        "    print(forked, flush=True)\n"
        "time.sleep(600)\n"
    )
    environment = without_a_server(PYTHONPATH=str(SCRIPTS))
    with started("-c", owner, str(tmp_path), environment=environment) as process:
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        try:
            number = tmp_path / "number"
            assert wait_for(lambda: number.exists() and number.read_text() != "")
            process.kill()
            assert wait_for(lambda: not Path(f"/proc/{number.read_text().strip()}").exists())
            assert wait_for(lambda: not (tmp_path / "temporary").exists())
        finally:
            os.kill(forked, signal.SIGKILL)


# Unpacking, over a made-up distribution

MADE_UP = Distribution("0.0.1", "0", oldest_java=17)


def write_archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("server/elasticsearch/lib/a.jar", "a" * 10_000)
        archive.writestr("server/elasticsearch/config/jvm.options", "-Xmx1g")
        archive.writestr("server/other/big.jar", "b")
    return path


def fetch(_distribution: Distribution, folder: Path) -> Path:
    return write_archive(folder / "server.zip")


@pytest.fixture(autouse=True)
def no_maven_repository(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "tmp_path" in request.fixturenames:
        monkeypatch.setenv("HOME", str(request.getfixturevalue("tmp_path")))


def test_only_the_server_is_kept(tmp_path: Path) -> None:
    home = install(MADE_UP, cache=tmp_path / "cache", fetch=fetch)
    assert (home / "lib" / "a.jar").read_text() == "a" * 10_000
    assert (home / "lib").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in home.iterdir()) == ["config", "lib", "plugins"]
    assert {path.name for path in home.parent.iterdir()} == {home.name, "0.0.1.lock"}


def test_a_truncated_archive_is_not_trusted(tmp_path: Path) -> None:
    def fetch_half(_distribution: Distribution, folder: Path) -> Path:
        archive = write_archive(folder / "server.zip")
        archive.write_bytes(archive.read_bytes()[:5_000])
        return archive

    cache = tmp_path / "cache"
    with pytest.raises(zipfile.BadZipFile):
        install(MADE_UP, cache=cache, fetch=fetch_half)
    assert [path.name for path in cache.iterdir()] == ["0.0.1.lock"]
    assert install(MADE_UP, cache=cache, fetch=fetch).is_dir()


def test_a_damaged_file_in_the_archive_is_noticed(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "server.zip")
    archive.write_bytes(archive.read_bytes().replace(b"aaaa", b"abaa", 1))
    with pytest.raises(zipfile.BadZipFile):
        unpack(archive, tmp_path / "home")


def test_a_path_out_of_the_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "server.zip", "w") as archive:
        archive.writestr("server/elasticsearch/../../../evil", "x")
    with pytest.raises(zipfile.BadZipFile):
        unpack(tmp_path / "server.zip", tmp_path / "home")


def test_what_an_interrupted_run_left_is_removed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    leftover = cache / "0.0.1.part-old" / "elasticsearch" / "lib"
    leftover.mkdir(parents=True)
    (leftover / "half.jar").write_text("half")
    home = install(MADE_UP, cache=cache, fetch=fetch)
    assert not (home / "lib" / "half.jar").exists()
    assert not (cache / "0.0.1.part-old").exists()


def test_an_archive_that_maven_has_already_is_used(tmp_path: Path) -> None:
    known = tmp_path / ".m2" / "repository" / MADE_UP.repository_path
    known.parent.mkdir(parents=True)
    write_archive(known)

    def never(_distribution: Distribution, _folder: Path) -> Path:
        raise AssertionError

    assert install(MADE_UP, cache=tmp_path / "cache", fetch=never).is_dir()


def test_processes_that_unpack_at_once_fetch_once(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from elasticsearch_distribution import Distribution, install\n"
        "import zipfile\n"
        "folder = Path(sys.argv[1])\n"
        "def fetch(distribution, temporary):\n"
        "    with (folder / 'fetched').open('a') as log:\n"
        "        log.write('once\\n')\n"
        "    deadline = time.monotonic() + 30\n"
        "    while len(list(folder.glob('ready-*'))) < 3 and time.monotonic() < deadline:\n"
        "        time.sleep(0.01)\n"
        "    with zipfile.ZipFile(temporary / 'a.zip', 'w') as archive:\n"
        "        archive.writestr('server/elasticsearch/lib/a.jar', 'a')\n"
        "    return temporary / 'a.zip'\n"
        "(folder / f'ready-{sys.argv[2]}').touch()\n"
        "distribution = Distribution('0.0.1', '0', oldest_java=17)\n"
        "print(install(distribution, cache=folder / 'cache', fetch=fetch))\n"
    )
    environment = without_a_server(PYTHONPATH=str(SCRIPTS), HOME=str(tmp_path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    homes = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert homes == [str(tmp_path / "cache" / "elasticsearch-0.0.1")] * 3
    assert (tmp_path / "fetched").read_text() == "once\n"


# Choosing a Java


def make_java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.mark.parametrize(
    ("text", "version"), [("17.0.15", 17), ("1.8.0_392", 8), ("25", 25), ("21.0.1-ea", 21)]
)
def test_a_java_tells_its_version(tmp_path: Path, text: str, version: int) -> None:
    assert java_version(make_java(tmp_path / "java", text)) == version


def test_a_java_without_a_release_file_is_asked(tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.2\" 2024-01-16' >&2\n")
    java.chmod(0o755)
    assert java_version(tmp_path) == 21
    assert java_version(tmp_path / "nothing") is None


def test_a_named_java_comes_before_others(tmp_path: Path) -> None:
    es_java, java = make_java(tmp_path / "es", "25"), make_java(tmp_path / "java", "21")
    both = {"ES_JAVA_HOME": str(es_java), "JAVA_HOME": str(java)}
    assert find_java(21, environment=both, usual_folders=[]).home == es_java
    assert find_java(21, environment={"JAVA_HOME": str(java)}, usual_folders=[]).home == java


def test_the_lowest_new_enough_java_beside_the_default_one_is_taken(tmp_path: Path) -> None:
    default = make_java(tmp_path / "java-17", "17.0.1")
    for version in ("25", "21.0.2", "11.0.9"):
        make_java(tmp_path / f"java-{version}", version)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "java").symlink_to(default / "bin" / "java")
    environment = {"PATH": str(tmp_path / "path")}
    found = find_java(21, environment=environment, usual_folders=[])
    assert (found.home, found.version) == (tmp_path / "java-21.0.2", 21)
    assert find_java(17, environment=environment, usual_folders=[]).home == default


def test_a_search_without_success_says_where_it_looked(tmp_path: Path) -> None:
    old = make_java(tmp_path / "old", "17.0.1")
    missing = tmp_path / "missing"
    environment = {"ES_JAVA_HOME": str(missing), "JAVA_HOME": str(old)}
    found = find_java(21, environment=environment, usual_folders=[])
    assert found.home is None
    text = "; ".join(found.looked_at)
    assert f"ES_JAVA_HOME: no Java in {missing}" in text
    assert f"JAVA_HOME: Java 17 in {old}" in text
    assert "java on the PATH: none" in text


def test_a_java_in_a_closed_folder_is_passed_over(tmp_path: Path) -> None:
    closed = make_java(tmp_path / "closed" / "java", "21")
    (tmp_path / "closed").chmod(0o700)
    nobody = (65534, 65534)
    found = find_java(21, environment={"JAVA_HOME": str(closed)}, usual_folders=[], user=nobody)
    assert found.home is None
    assert closed_folder(closed, nobody) is not None
    assert closed_folder(closed, None) is None
