"""Refuse to build from a tree whose generated twins are not those of its sources."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TwinsHook(BuildHookInterface):  # type: ignore[type-arg]  # its configuration is not ours
    """Compare digests, not output: whoever builds the sdist needs neither unasync nor ruff."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fail with the command to run; an editable install is for a tree in the making."""
        if version == "editable":
            return
        root = Path(self.root)
        digests = runpy.run_path(str(root / "scripts" / "twin_digest.py"))
        if stale := list(digests["stale_twins"](root)):
            problems = "\n".join(f"  {problem}" for problem in stale)
            message = f"The generated twins are stale:\n{problems}\nRun `{digests['COMMAND']}`."
            raise RuntimeError(message)
