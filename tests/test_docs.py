"""The documentation names all that is public, and nothing that does not exist."""

import ast
import dataclasses
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from figures import MARKED, pages

import elasticsearch_chat_history as package
from elasticsearch_chat_history import ElasticsearchChatMessageHistory, ElasticsearchChatStore
from tests.support.pages import DOCS, FENCE, ROOT, column, names_in, prose, rows_of, text_of
from tests.support.public_classes import call, own_members, parameters

PROJECT = "elasticsearch-chat-history"
LONGEST_README = 130
LONGEST_LINE = 100

HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"^\[[^]]+\]: \S+$")
# A file of the project, as text and commands name it.
PATH = re.compile(r"\b(?:benchmarks|examples|scripts|src|tests|tools)/[\w/.]*\w")
IN_THE_TESTS_SESSION = re.compile(r"\*tests\* `([^`]+)`")
SESSION = re.compile(r"nox -s \"?(\w+)(?:\(([^)]*)\))?\"?(?: -- (?:-k )?(\"[^\"]+\"|\w+))?")

PAGES = {"README.md": text_of("README.md"), **DOCS}
LINKING = {**PAGES, "CHANGELOG.md": text_of("CHANGELOG.md")}


def shell_lines(text: str) -> list[str]:
    """Return the commands in the shell blocks of a page, continued lines as one."""
    blocks = [code for language, code in FENCE.findall(text) if language == "shell"]
    return "".join(blocks).replace("\\\n", " ").splitlines()


def page_of(title: str) -> str:
    """Return the page that has a column of this title."""
    pages = sorted(set(column(title).values()))
    return " or ".join(pages) or "a page of docs/ (none has it yet)"


CLASSES: dict[str, type[Any]] = {
    name: public
    for name, public in inspect.getmembers(package, inspect.isclass)
    if name in package.__all__
}
ERRORS = {name: cls for name, cls in CLASSES.items() if issubclass(cls, Exception)}
RESULTS = {name: cls for name, cls in CLASSES.items() if dataclasses.is_dataclass(cls)}
MADE = {name: cls for name, cls in CLASSES.items() if name not in {*ERRORS, *RESULTS}}
"""The classes that a caller makes: histories, stores, retrievers."""

MEMBERS = {name: own_members(cls) for name, cls in MADE.items()}
FIELDS = {
    f"field of {name}": [*(field.name for field in dataclasses.fields(cls)), *own_members(cls)]
    for name, cls in RESULTS.items()
}


def documented_parameters() -> dict[str, dict[str, inspect.Parameter]]:
    """Return the arguments that belong in a table, by the title of their column.

    Those of the constructors do. A class has a table of its own, or shares that of the others.
    Those of a method may: most methods are shown as a call instead.
    """
    found: dict[str, dict[str, inspect.Parameter]] = {}
    for name, cls in MADE.items():
        own = f"argument of {name.removeprefix('Async')}"
        found.setdefault(own if column(own) else "argument", {}).update(parameters(cls))
        for member, method in MEMBERS[name].items():
            if column(f"argument of {member}"):
                found.setdefault(f"argument of {member}", {}).update(parameters(method))
    return found


PARAMETERS = documented_parameters()
ROWS = [
    pytest.param(title, name, id=f"{title}: {name}")
    for title, names in {"error": ERRORS, **MEMBERS, **FIELDS, **PARAMETERS}.items()
    for name in names
]
# The pages describe both twins by the names of the synchronous one.
CALLS = [
    pytest.param(name, call(member, method), id=f"{name}.{member}")
    for name in MADE
    if not name.startswith("Async")
    for member, method in MEMBERS[name].items()
    if not isinstance(method, property) and parameters(method)
    if f"argument of {member}" not in PARAMETERS
]


@pytest.mark.parametrize("name", package.__all__)
def test_public_name_is_in_the_index(name: str) -> None:
    assert name in names_in(DOCS["docs/README.md"]), f"Add `{name}` to the list in docs/README.md."


@pytest.mark.parametrize(("title", "name"), ROWS)
def test_all_that_is_public_has_its_row(title: str, name: str) -> None:
    assert name in column(title), (
        f"Add a row for `{name}` to the table with the column `{title}` in {page_of(title)}."
    )


@pytest.mark.parametrize(("name", "shown"), CALLS)
def test_method_is_shown_with_its_arguments(name: str, shown: str) -> None:
    page = page_of(name)
    is_shown = f"`{shown}`" in prose("".join(DOCS.values()))
    assert is_shown, f"Write `{shown}` in {page}, and say what it takes."


@pytest.mark.parametrize("title", [*MEMBERS, *FIELDS, *PARAMETERS])
def test_no_row_is_about_something_that_is_gone(title: str) -> None:
    # Rows about what LangChain's classes bring are welcome.
    known = dir(MADE[title]) if title in MADE else {**FIELDS, **PARAMETERS}[title]
    gone = column(title).keys() - set(known)
    assert not gone, (
        f"In {page_of(title)}, column `{title}`: there is no {', '.join(sorted(gone))}."
    )


def test_every_call_has_its_privileges() -> None:
    rows = (row for row in rows_of(DOCS["docs/operators.md"]) if "index privileges" in row)
    found = {name for row in rows for name in names_in(row["call"])}
    calls = {
        name
        for cls in (ElasticsearchChatMessageHistory, ElasticsearchChatStore)
        for name, member in own_members(cls).items()
        if not isinstance(member, property)
    }
    # They run others of these.
    of_langchain = {
        "aget_messages",
        "aadd_messages",
        "aclear",
        "add_user_message",
        "add_ai_message",
    }
    assert found & calls == calls - of_langchain - {"as_retriever", "close", "scoped", "session"}


@pytest.mark.parametrize("title", PARAMETERS)
def test_defaults_are_as_documented(title: str) -> None:
    for row in (row for text in DOCS.values() for row in rows_of(text) if title in row):
        for name in names_in(row[title]):
            default = PARAMETERS[title][name].default
            shown = ast.literal_eval(row["default"]) if row["default"] else inspect.Parameter.empty
            assert shown == default, f"In {page_of(title)}, the default of `{name}`"


@pytest.mark.parametrize("name", ERRORS)
def test_attributes_of_errors_are_documented(name: str) -> None:
    (row,) = [row for row in rows_of(DOCS["docs/errors.md"]) if name in names_in(row["error"])]
    has_own = "__init__" in vars(ERRORS[name])
    expected = list(parameters(ERRORS[name].__init__)) if has_own else []
    assert names_in(row["attributes"]) == expected, f"In docs/errors.md, the row of `{name}`"


def anchors(text: str) -> list[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = [heading.lower() for heading in HEADING.findall(FENCE.sub("", text))]
    return [re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", LINKING)
def test_links_lead_somewhere(page: str) -> None:
    for link in LINK.findall(LINKING[page]):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), f"{page} links to {link}: there is no such file."
        if anchor:
            found = anchors(target.read_text(encoding="utf-8"))
            assert found.count(anchor) == 1, f"{page} links to {link}: {found}"


@pytest.mark.parametrize("page", LINKING)
def test_lines_are_short(page: str) -> None:
    # A row of figures cannot be broken, nor can an address.
    text = MARKED.sub(lambda figures: "\n" * figures[0].count("\n"), LINKING[page])
    for number, line in enumerate(text.splitlines(), start=1):
        assert len(line) <= LONGEST_LINE or REFERENCE.match(line), f"{page}:{number} is too long."


def test_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= LONGEST_README


@pytest.mark.parametrize("page", [page for page in DOCS if page != "docs/README.md"])
@pytest.mark.parametrize("contents", ["README.md", "docs/README.md"])
def test_page_is_in_the_contents(contents: str, page: str) -> None:
    assert page.rpartition("/")[2] in {
        link.rpartition("/")[2] for link in LINK.findall(PAGES[contents])
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_language_that_is_checked(page: str) -> None:
    # test_examples.py runs the Python; the commands are checked below. The JSON is of API keys.
    checked = {"python", "shell", "text"} | ({"json"} if page == "docs/operators.md" else set())
    assert {language for language, _ in FENCE.findall(PAGES[page])} <= checked
    assert PAGES[page].count("```") == 2 * len(FENCE.findall(PAGES[page]))


NOXFILE = text_of("noxfile.py")
SESSIONS = [
    node.name
    for node in ast.parse(NOXFILE).body
    if isinstance(node, ast.FunctionDef)
    and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
]
FILES_OF_FAULTS = {
    path.stem
    for path in (ROOT / "tests" / "_async").rglob("test_*.py")
    if "mark.faults" in path.read_text(encoding="utf-8")
}
STEPS = [
    pytest.param(step, id=f"{page}: {step}")
    for page, text in PAGES.items()
    for line in shell_lines(text)
    for step in line.split(" && ")
]
NAMED_SESSIONS = [
    pytest.param(*found, id=f"{page}: {found[0]} {found[2]}")
    for page, text in PAGES.items()
    for found in SESSION.findall(" ".join(text.split()))
]


def check_program(path: str, *options: str) -> None:
    """Check that a program is there, and knows the options."""
    assert (ROOT / path).is_file()
    if path.startswith("examples/"):
        assert not options  # `tests/examples` runs all of them
    for option in options:
        assert f'"{option}"' in text_of(path)


def check_benchmarks(arguments: list[str]) -> None:
    """Check that the benchmarks are there, and that one of all knows an option."""
    programs = "".join(text_of(str(path)) for path in (ROOT / "benchmarks").glob("*.py"))
    for argument in arguments:
        if argument.startswith("--"):
            assert f'"{argument.partition("=")[0]}"' in programs
        else:
            assert (ROOT / "benchmarks" / f"{argument}.py").is_file()


@pytest.mark.parametrize("step", STEPS)
def test_command_is_one_that_is_checked(step: str) -> None:
    if variable := re.match(r"(\w+)=\w+ ", step):
        assert f'"{variable[1]}"' in NOXFILE
        step = step[variable.end() :]
    program, *arguments = shlex.split(step, comments=True)
    if program == "docker":
        # Not run, as not every machine has an engine; the server is the one that nox starts.
        image, version = arguments[-1].split(":")
        assert image == "elasticsearch"
        assert f'DEFAULT_SERVER = "{version}"' in NOXFILE
    elif program == "pip":
        # The session `build` installs the package into environments with nothing else in them.
        assert arguments[0] == "install"
        # An extra installs no other package of ours.
        whole = [re.sub(r"\[[\w-]+\]$", "", argument) for argument in arguments[1:]]
        groups = [["-e", ".", "--group", group] for group in ("dev", "examples", "service")]
        assert whole in (["."], ["nox"], [PROJECT], *groups)
        for name in re.findall(r"\[([\w-]+)\]", " ".join(arguments)):
            assert f"\n{name} = [" in text_of("pyproject.toml")
    elif program == "python":
        check_program(*arguments)
    elif program == "uvicorn":
        # As the session `service` starts it.
        assert arguments[:2] == ["--app-dir", "examples"]
        assert arguments[2:4] == ["--factory", "chat_service.app:create_app"]
    elif program == "pytest":
        assert arguments in (["FILES"], ["-m", "faults"])
    elif arguments[:3] == ["-s", "benchmark", "--"]:
        check_benchmarks(arguments[3:])
    else:
        # Which session it names is checked below.
        assert program == "nox"
        assert not arguments or SESSION.fullmatch(step)


@pytest.mark.parametrize(("session", "versions", "chosen"), NAMED_SESSIONS)
def test_session_of_nox_exists(session: str, versions: str, chosen: str) -> None:
    assert session in SESSIONS
    for version in re.findall(r"'([^']+)'", versions):
        assert version in NOXFILE + text_of("pyproject.toml")
    words = set(re.findall(r"\w+", chosen)) - {"or", "and", "not"}
    if session == "faults":
        for word in words:
            assert any(word in name for name in FILES_OF_FAULTS), f"No such test: {word}"
    if session == "benchmark":
        assert all((ROOT / "benchmarks" / f"{word}.py").is_file() for word in words)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    command = "pip install nox && nox"
    assert command in shell_lines(PAGES["README.md"])
    assert f"\n{command}" in text_of(".ci/run")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    for path in PATH.findall(prose(PAGES[page])):
        assert (ROOT / path).exists(), f"{page} names {path}"


def test_files_that_the_promises_name_are_of_the_session_that_runs_them() -> None:
    files = " ".join(IN_THE_TESTS_SESSION.findall(prose(DOCS["docs/promises.md"]))).split()
    assert files
    assert not {Path(file).stem for file in files} & FILES_OF_FAULTS


@pytest.mark.parametrize(
    "section", re.split(r"^##+ ", DOCS["docs/promises.md"], flags=re.MULTILINE)[1:]
)
def test_promise_has_a_command(section: str) -> None:
    says_how = "*How.*" in section or section[0].isdigit()
    assert not says_how or "*See.*" in section


def test_figures_are_those_of_the_run_that_is_kept() -> None:
    shown = list(pages())
    assert {path.name for path, _, _ in shown} == {
        "coming-from-langchain-elasticsearch.md",
        "performance.md",
        "scaling.md",
    }
    for path, text, wanted in shown:
        assert text == wanted, f"{path.name}: run `python benchmarks/figures.py`."
