"""Write the synchronous twins from their asynchronous sources, or check them with `--check`.

What is renamed, in code, docstrings, comments and strings alike:

- the prefixes `Async` and `async_` go: `AsyncElasticsearch`, `async_client`;
- the `a` before a verb goes: `aget_messages`, `test_aget_messages`. The verbs are listed, because
  "add" starts with an `a` too; another method with a listed verb needs no line here;
- the few names in `NAMES`, and those that unasync itself knows (`__aenter__`, …).

An `async def` whose first `a` nobody explained is an error, and so is a rule that nothing uses,
a twin that does not compile, and any "await" or "async" that is left in a twin's text.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import unasync
from tokenize_rt import Token

from twin_digest import (
    COMMAND,
    GENERATOR,
    TWINS,
    header,
    present_twins,
    seal,
    sources_of_twins,
)

ROOT = Path(__file__).resolve().parent.parent

# After an `a` these words make an asynchronous name.
VERBS = frozenset(
    {
        "add",
        "after",
        "backfill",
        "before",
        "clear",
        "close",
        "closing",
        "count",
        "delete",
        "embed",
        "export",
        "fork",
        "get",
        "invoke",
        "iter",
        "list",
        "pop",
        "prune",
        "search",
        "set",
        "sleep",
        "store",
        "stream",
        "truncate",
        "wrap",
    }
)
# Asynchronous functions that start with one of these keep their `a`.
PLAIN_WORDS = frozenset({"add", "all"})
# Whole names that follow no pattern.
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "_async": "_sync",
        "aimport": "import_",  # without the underscore it is a keyword
    }
)

TEXT_TOKENS = frozenset({"COMMENT", "FSTRING_MIDDLE", "STRING"})
LEFTOVER = re.compile(r"\w*(?:async|await|coroutine)\w*|event loop", re.IGNORECASE)


class TwinError(Exception):
    """The twins can't be made; each argument names a place and what is wrong there."""


class Renamer:
    """Turns names and text into their synchronous form, and knows which rules it used."""

    def __init__(
        self,
        verbs: Iterable[str] = VERBS,
        plain_words: Iterable[str] = PLAIN_WORDS,
        names: Mapping[str, str] = NAMES,
    ) -> None:
        self._verbs = frozenset(verbs)
        self._plain_words = frozenset(plain_words)
        self._names: dict[str, str] = {**unasync.Rule("", "").token_replacements, **names}
        self.unused = {*verbs, *plain_words, *names}

    def name(self, name: str) -> str:
        """Rename an identifier, or all those in a text."""
        name = re.sub(r"\w+", lambda word: self._whole_name(word[0]), name)
        name = re.sub(r"(?<![A-Za-z0-9])(?:Async(?=[A-Z])|async_(?=\w))", "", name)
        return re.sub(r"(?<![A-Za-z0-9])a([a-z]+)(?![A-Za-z0-9])", self._without_a, name)

    def text(self, text: str) -> str:
        """Make a docstring, comment or string read as if written for the twin."""
        text = re.sub(r"\b([Aa])n (?=`*(?:async[ _]|Async)(?![aeiouAEIOU]))", r"\1 ", text)
        text = re.sub(r"\b([Aa])n asynchronous", r"\1 synchronous", text)
        text = re.sub(r"\basynchronous", "synchronous", text)
        text = re.sub(r"\bAsynchronous", "Synchronous", text)
        text = re.sub(r"\b(?:async|await) ", "", text)
        text = re.sub(r"\bAsync (\w)", lambda match: match[1].upper(), text)
        return self.name(text)

    def explains(self, function: str) -> bool:
        """Tell whether the rules say what becomes of an asynchronous function's name."""
        first_word = function.lstrip("_").partition("_")[0]
        self.unused -= self._plain_words & {first_word}
        return (
            not first_word.startswith("a")
            or first_word in self._plain_words
            or self.name(function) != function
        )

    def _whole_name(self, name: str) -> str:
        self.unused.discard(name)
        return self._names.get(name, name)

    def _without_a(self, word: re.Match[str]) -> str:
        if word[1] not in self._verbs:
            return word[0]
        self.unused.discard(word[1])
        return word[1]


class TwinRule(unasync.Rule):  # type: ignore[misc]  # unasync has no types
    """A rule of unasync with our renaming, which reaches docstrings and comments too."""

    def __init__(self, source: Path, twin: Path, renamer: Renamer) -> None:
        # Absolute, as unasync replaces the first by the second anywhere in a path.
        super().__init__(str(source.resolve()), str(twin.resolve()))
        self._renamer = renamer

    def _unasync_name(self, name: str) -> str:
        return self._renamer.name(name)

    def _unasync_tokens(self, tokens: Iterable[Token]) -> Iterator[Token]:
        for token in super()._unasync_tokens(_with_space_after_keywords(tokens)):
            if token.name in TEXT_TOKENS:
                yield token._replace(src=self._renamer.text(token.src))
            else:
                yield token


def _with_space_after_keywords(tokens: Iterable[Token]) -> Iterator[Token]:
    # unasync drops whatever follows the keyword, even the bracket of `await(f())`.
    after_keyword = False
    for token in tokens:
        if after_keyword and token.name != "UNIMPORTANT_WS":
            yield Token("UNIMPORTANT_WS", " ")
        after_keyword = token.src in {"async", "await"}
        yield token


def render(root: Path, renamer: Renamer) -> dict[Path, str]:
    """Make all twins of a project; the paths are relative to its root."""
    sources = sources_of_twins(root)
    _raise_any(_unexplained_names(root, sources.values(), renamer))
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder).resolve()
        files = [str((root / source).resolve()) for source in sources.values()]
        rules = [TwinRule(root / source, output / twin, renamer) for source, twin in TWINS.items()]
        unasync.unasync_files(files, rules)
        _raise_any(_mistakes(output, sources))
        _raise_any(f"{rule!r}: no source uses this rule" for rule in sorted(renamer.unused))
        for twin, source in sources.items():
            text = (output / twin).read_text(encoding="utf-8")
            (output / twin).write_text(f"{header(source)}\n\n{text}", encoding="utf-8")
        _format(output, root)
        return {
            twin: seal((output / twin).read_text(encoding="utf-8"), source, root)
            for twin, source in sources.items()
        }


def _raise_any(problems: Iterable[str]) -> None:
    if found := list(problems):
        raise TwinError(*found)


def _unexplained_names(root: Path, sources: Iterable[Path], renamer: Renamer) -> Iterator[str]:
    for source in sources:
        try:
            tree = ast.parse((root / source).read_text(encoding="utf-8"))
        except SyntaxError as error:
            yield f"{source}:{error.lineno}: {error.msg}"
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef) and not renamer.explains(node.name):
                yield (
                    f"{source}:{node.lineno}: is the first letter of {node.name} a prefix? "
                    "Add the word after it to VERBS. Or is it part of a word? Add that word to "
                    f"PLAIN_WORDS. Both are in {GENERATOR}"
                )


def _mistakes(output: Path, twins: Iterable[Path]) -> Iterator[str]:
    for twin in twins:
        text = (output / twin).read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), start=1):
            for leftover in LEFTOVER.findall(line):
                yield f"{twin}:{number}: {leftover!r} is left in: {line.strip()}"
        try:
            compile(text, str(twin), "exec", dont_inherit=True)
        except SyntaxError as error:
            yield f"{twin}:{error.lineno}: the twin does not compile: {error.msg}"


def _format(folder: Path, root: Path) -> None:
    options = ["--quiet", "--no-cache", "--config", str(root / "pyproject.toml")]
    ruff = [sys.executable, "-m", "ruff"]
    # New names sort differently.
    subprocess.run([*ruff, "check", "--select=I001", "--fix", *options, folder], check=True)
    subprocess.run([*ruff, "format", *options, folder], check=True)


def differences(root: Path, rendered: Mapping[Path, str]) -> dict[Path, str]:
    """Say for each file that is not as rendered what is wrong with it."""
    present = present_twins(root)
    wrong = dict.fromkeys(present - rendered.keys(), "its source is gone")
    for path, text in rendered.items():
        if path not in present:
            wrong[path] = "missing"
        elif (root / path).read_text(encoding="utf-8") != text:
            wrong[path] = "stale, or edited by hand"
    return dict(sorted(wrong.items()))


def write(root: Path, rendered: Mapping[Path, str], paths: Iterable[Path]) -> None:
    """Write these of the rendered files, and remove those that were not rendered."""
    for path in paths:
        target = root / path
        if path in rendered:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(rendered[path], encoding="utf-8", newline="\n")
            print(f"wrote {path}")
        else:
            target.unlink()
            print(f"removed {path}")


def main(
    arguments: Sequence[str] | None = None, *, root: Path = ROOT, renamer: Renamer | None = None
) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(description="Write the synchronous twins.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args(arguments).check
    try:
        rendered = render(root, renamer or Renamer())
    except TwinError as error:
        print(*error.args, sep="\n", file=sys.stderr)
        return 1
    wrong = differences(root, rendered)
    if not check:
        write(root, rendered, wrong)
        return 0
    for path, problem in wrong.items():
        print(f"{path}: {problem}", file=sys.stderr)
    if wrong:
        print(f"Run `{COMMAND}`.", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
