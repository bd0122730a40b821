"""Wheel and sdist: both twins are in them, and stale ones are refused."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from run_unasync import ROOT

PACKAGE = "src/elasticsearch_chat_history"


def build(tree: Path, target: str) -> Path:
    """Build with hatchling itself, as an isolated build would only fetch it once more."""
    output = tree / "dist" / target
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "-d", str(output)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True, text=True)
    (built,) = output.iterdir()
    return built


def modules(tree: Path) -> set[str]:
    return {path.relative_to(tree / "src").as_posix() for path in (tree / PACKAGE).rglob("*.py")}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*_cache", ".git", ".nox", ".venv", "__pycache__", "dist")
    shutil.copytree(ROOT, root, ignore=ignored)
    return root


def test_sdist_and_wheel_hold_both_twins_and_make_the_same_wheel(
    tree: Path, tmp_path: Path
) -> None:
    wheel = build(tree, "wheel")
    sdist = build(tree, "sdist")
    with tarfile.open(sdist) as archive:
        # Older Pythons lack the filter, newer ones warn without it.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(tmp_path / "unpacked")  # noqa: S202  # our own archive
    (unpacked,) = (tmp_path / "unpacked").iterdir()

    names = set(zipfile.ZipFile(wheel).namelist())
    assert modules(tree) <= names
    assert "elasticsearch_chat_history/py.typed" in names
    assert {name.split("/")[1] for name in names} >= {"_async", "_sync"}
    # Nothing of ours that is not for users, such as tools/.
    folders = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert folders == {"elasticsearch_chat_history"}
    assert (unpacked / "tools" / "local_elasticsearch" / "__init__.py").is_file()
    assert modules(unpacked) == modules(tree)
    assert build(unpacked, "wheel").read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("target", ["sdist", "wheel"])
@pytest.mark.parametrize("changed", ["_async", "_sync"])
def test_a_stale_tree_is_not_built(tree: Path, target: str, changed: str) -> None:
    with (tree / PACKAGE / changed / "__init__.py").open("a", encoding="utf-8") as module:
        module.write("# One line more.\n")
    with pytest.raises(subprocess.CalledProcessError) as error:
        build(tree, target)
    assert f"{PACKAGE}/_sync/__init__.py: stale, or edited by hand" in error.value.stderr
    assert "Run `nox -s generate`." in error.value.stderr


def test_a_tree_without_its_twins_is_not_built(tree: Path) -> None:
    shutil.rmtree(tree / PACKAGE / "_sync")
    with pytest.raises(subprocess.CalledProcessError) as error:
        build(tree, "wheel")
    assert f"{PACKAGE}/_sync/__init__.py: missing" in error.value.stderr
