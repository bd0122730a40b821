"""What an extra needs is imported with the module of that extra, and by nothing else."""

import subprocess
import sys

NOT_IMPORTED = """
import sys
import elasticsearch_chat_history

loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"langchain", "langgraph"}))
"""
NOT_INSTALLED = """
import sys

sys.modules["langchain"] = None
import elasticsearch_chat_history.agents
"""


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )


def test_the_package_imports_no_extra() -> None:
    assert python(NOT_IMPORTED).stdout.strip() == "[]"


def test_an_extra_that_is_not_installed_is_named() -> None:
    error = python(NOT_INSTALLED).stderr
    assert "ImportError: elasticsearch_chat_history.agents needs langchain" in error
    assert 'pip install "elasticsearch-chat-history[agents]"' in error
