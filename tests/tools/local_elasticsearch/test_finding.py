"""Finding an Elasticsearch, and saying what is missing where there is none."""

import os
from pathlib import Path

import pytest

from local_elasticsearch import (
    ElasticsearchUnavailableError,
    LocalElasticsearch,
    distribution,
    find_or_start,
    java,
)
from local_elasticsearch.command import main


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a machine on which nothing of what a server needs is there."""
    for name in [name for name in os.environ if name.startswith("ES_")] + ["JAVA_HOME"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(distribution, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(java, "USUAL_FOLDERS", ())


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
