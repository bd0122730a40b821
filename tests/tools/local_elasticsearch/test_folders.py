"""Where local nodes keep what they write, and that nothing temporary stays."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_elasticsearch.folders import Folders


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the one in memory, with room enough."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # As the server may run under another user.
        folder.chmod(0o711)
        monkeypatch.setattr("local_elasticsearch.folders._MEMORY", folder)
        monkeypatch.setattr("local_elasticsearch.folders._MEMORY_NEEDED", 0)
        yield folder


def test_temporary_data_stay_in_memory_and_go_with_the_nodes(memory: Path) -> None:
    folders = Folders.make(None, in_memory=True)
    assert folders.data.parent == memory
    assert folders.files.parent != memory
    (folders.data / "node-1").mkdir()
    folders.remove()
    assert list(memory.iterdir()) == []
    assert not folders.files.exists()


@pytest.mark.parametrize("full", [True, False])
def test_without_room_in_memory_data_are_with_the_other_files(
    memory: Path, monkeypatch: pytest.MonkeyPatch, full: bool
) -> None:
    if full:
        monkeypatch.setattr("local_elasticsearch.folders._MEMORY_NEEDED", 2**80)
    else:
        monkeypatch.setattr("local_elasticsearch.folders._MEMORY", memory / "missing")
    folders = Folders.make(None, in_memory=True)
    assert folders.data == folders.files
    folders.remove()
    assert not folders.files.exists()


def test_a_named_folder_and_the_name_of_its_cluster_are_kept(memory: Path, tmp_path: Path) -> None:
    folders = Folders.make(tmp_path / "kept", in_memory=True)
    assert folders.data == tmp_path / "kept"
    name = folders.cluster_name()
    folders.remove()
    again = Folders.make(tmp_path / "kept", in_memory=True)
    assert again.cluster_name() == name
    assert list(memory.iterdir()) == []
