"""A process that ends with its owner, however the owner ends."""

import os
import signal
from pathlib import Path

import pytest

from local_elasticsearch.process import OwnedProcess
from tests.tools.programs import TOOLS, started, wait_for, without_a_server


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
        "from local_elasticsearch.process import OwnedProcess\n"
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
    environment = without_a_server(PYTHONPATH=str(TOOLS))
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
