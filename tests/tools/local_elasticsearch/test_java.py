"""Choosing a Java that the server runs on and its user may enter."""

from pathlib import Path

import pytest

from local_elasticsearch.java import find_java, java_version
from local_elasticsearch.user import closed_folder


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
