"""The public classes, as the documentation has to show them."""

import inspect
import re
from typing import Any

from langchain_core.retrievers import BaseRetriever

import elasticsearch_chat_history as package


def own_members(cls: type[Any]) -> dict[str, Any]:
    """Return the public methods and properties that this package defines, not LangChain."""
    found: dict[str, Any] = {}
    for name, member in inspect.getmembers(cls):
        function = member.fget if isinstance(member, property) else member
        module = getattr(function, "__module__", None) or ""
        ours = inspect.isfunction(function) and module.startswith(package.__name__)
        if ours and not name.startswith("_"):
            found[name] = member
    return found


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Return what a caller gives, by name; not what every retriever of LangChain takes."""
    foreign = {"self"}
    if inspect.isclass(function) and issubclass(function, BaseRetriever):
        foreign |= {"args", *inspect.signature(BaseRetriever).parameters}
    given = inspect.signature(function).parameters
    return {name: parameter for name, parameter in given.items() if name not in foreign}


def call(name: str, method: Any) -> str:
    """Write a call as the pages do: all arguments, and the defaults of those that have one."""
    written = []
    for parameter in parameters(method).values():
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = parameter.default
        shown = f'"{default}"' if isinstance(default, str) else repr(default)
        written.append(stars + parameter.name + f"={shown}" * (default is not parameter.empty))
    return f"{name}({', '.join(written)})"


def own_arguments(member: Any) -> list[str]:
    """Return the names of the arguments that a caller gives."""
    if inspect.isclass(member) and "__init__" not in vars(member):
        inherited = next(cls for cls in member.__mro__ if "__init__" in vars(cls))
        if not inherited.__module__.startswith(package.__name__):
            return []
    return [name for name in inspect.signature(member).parameters if name != "self"]


def documented_arguments(docstring: str) -> list[str]:
    """Return the names in the Args section of a docstring, or those of the attributes."""
    section = re.search(
        r"^(?:Args|Attributes):\n((?:    .*\n|\n)+)", docstring + "\n", re.MULTILINE
    )
    return re.findall(r"^    (\w+):", section[1], re.MULTILINE) if section else []
