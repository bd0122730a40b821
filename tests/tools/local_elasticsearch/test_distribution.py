"""Unpacking, over a made-up distribution."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local_elasticsearch.distribution import Distribution, install, unpack
from tests.tools.programs import TOOLS, without_a_server

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
def no_maven_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


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
        "from local_elasticsearch.distribution import Distribution, install\n"
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
    environment = without_a_server(PYTHONPATH=str(TOOLS), HOME=str(tmp_path))
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
