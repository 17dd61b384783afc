"""Which functions are offered to a model, under which names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Any, Optional, Union

from ..errors import ToolError
from .tool import Tool


class OfferedTools:
    """The tools of one session by name, and the names that were taken back."""

    def __init__(self) -> None:
        # Guards both; taken for moments only, within the lock of a set of tools too.
        self._lock = Lock()
        self._tools: dict[str, Tool] = {}
        self._removed: set[str] = set()

    def all(self) -> dict[str, Tool]:
        """A copy, by name."""
        with self._lock:
            return dict(self._tools)

    def has_had(self, name: object) -> bool:
        """Whether a name is, or was, that of one of these."""
        with self._lock:
            return name in self._tools or name in self._removed

    def add(self, tool: Tool) -> None:
        """
        Offer a tool; the same one again takes the place of the first.

        Raises:
            ToolError: the name is taken by another.
        """
        with self._lock:
            known = self._tools.get(tool.name)
            if known is not None and not _same_offered_tool(known, tool):
                raise ToolError(f"there is a tool called {tool.name!r} already")
            self._tools[tool.name] = tool
            self._removed.discard(tool.name)

    def remove(self, tool: Union[str, Tool, Callable[..., object]]) -> None:
        """
        Offer a tool no longer.

        Raises:
            ToolError: it is not here.
        """
        with self._lock:
            names = [
                name
                for name, each in self._tools.items()
                if tool in (name, each, each.function)
            ]
            if not names:
                raise ToolError(f"{tool!r} is no tool of this session")
            for name in names:
                del self._tools[name]
                self._removed.add(name)

    def definitions(self, others: Optional[Iterable[Any]]) -> list[Any]:
        """What others declare, but for what these replace, and then these."""
        with self._lock:
            mine = [tool.definition() for tool in self._tools.values()]
            names = {*self._tools, *self._removed}
        return [
            each for each in others or () if name_of_offered_tool(each) not in names
        ] + mine


def name_of_offered_tool(definition: object) -> object:
    """The name in the definition of a tool, a mapping or a value."""
    if isinstance(definition, Mapping):
        return definition.get("name")
    return getattr(definition, "name", None)


def _same_offered_tool(known: Tool, new: Tool) -> bool:
    """Whether a tool is the same one again, as when a cell is run twice."""
    return known.function is new.function or all(
        getattr(known.function, name, None) == getattr(new.function, name, "")
        for name in ("__qualname__", "__module__")
    )
