"""
Makes what a type checker knows of events by name: ``python -m`` this module.

The files are made from the registry and shipped; nothing loads them at run time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import realtime_sync
from realtime_sync.dispatch.notices import NOTICES
from realtime_sync.protocol import registry
from realtime_sync.protocol.vendor_events import vendor_names

ROOT = Path(realtime_sync.__file__).parent
NAMES = ROOT / "dispatch" / "event_names.py"
CALLS = ROOT / "session" / "by_name.py"
UNKNOWN = "events.UnknownEvent"

Classes = dict[str, tuple[str, ...]]
"""Names, and the classes that an event of that name may have."""


def realtime() -> Classes:
    """What sessions of Realtime hear, by every spelling."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in registry.ROWS:
        prefix = "" if row.direction == "server" else "client."
        names = [row.name]
        names += [old for old, new in registry.ALIASES.items() if new == row.name]
        known = (
            registry.server_names()
            if row.direction == "server"
            else registry.client_names()
        )
        for name in names:
            cls = f"events.{row.class_name}"
            if name in known and cls not in found[prefix + name]:
                found[prefix + name].append(cls)
    for name in vendor_names("server"):
        found[name] = found[name] or [UNKNOWN]
    return {name: tuple(classes) for name, classes in found.items()}


def live() -> Classes:
    """What sessions of GPT-Live hear."""
    return {
        ("" if row.direction == "server" else "client.")
        + row.name: (f"live.{row.class_name}",)
        for row in registry.LIVE_ROWS
    }


def notices() -> Classes:
    """What the library reports to either."""
    return {each.type: (f"notices.{each.__name__}",) for each in NOTICES}


def patterns(classes: Classes) -> Classes:
    """Every pattern that matches something, and what; ``"*"`` is server events."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for name, found_classes in sorted(classes.items()):
        parts = name.split(".")
        stems = [".".join(parts[:size]) + ".*" for size in range(1, len(parts))]
        if found_classes[0].startswith(("events.", "live.")) and parts[0] != "client":
            stems.append("*")
        for stem in stems:
            found[stem].update(dict.fromkeys(found_classes))
    for of in found.values():
        if len(of) > 1:
            of.pop(UNKNOWN, None)
    return {stem: tuple(of) for stem, of in found.items()}


def names_file() -> str:
    """The module of names."""
    every = {**realtime(), **live(), **notices()}
    lines = [
        '"""',
        "The names of events, for type checkers and editors; made from the registry.",
        "",
        "After a change of the vocabulary: ``python -m tests.session.by_name_files``.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Literal",
        "",
        "EventName = Literal[",
        *(f'    "{name}",' for name in sorted({**every, **patterns(every)})),
        "]",
        '"""',
        "What `on` takes without ``unknown=True``: events in every spelling, commands",
        "after ``client.``, notices of the library, and patterns.",
        '"""',
    ]
    return "\n".join(lines) + "\n"


def calls_file() -> str:
    """The module of what waits by name."""
    lines = [
        '"""',
        "What `wait_for`, `expect` and `events` give by name, for type checkers.",
        "",
        "Made by ``python -m tests.session.by_name_files``, and never loaded.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Callable",
        "from typing import Any, Literal, Optional, Protocol, TypeVar, Union, overload",
        "",
        "from ..dispatch import notices",
        "from ..dispatch.streams import EventStream, Expectation",
        "from ..protocol import events",
        "from ..protocol.live import events as live",
        "from ..types import Event, Timeout",
        "",
        "# fmt: off",
        "",
        'Heard = TypeVar("Heard")',
        "Where = Optional[Callable[[Heard], Any]]",
    ]
    for protocol, classes in (("", realtime()), ("Live", live())):
        classes = {**classes, **notices()}
        unions = {name: union(of) for name, of in patterns(classes).items()}
        by_type: dict[str, list[str]] = defaultdict(list)
        for name, of in sorted(classes.items()):
            by_type[union(of)].append(name)
        aliases = {
            kind: f"_{protocol}{alias(stem)}" for stem, kind in sorted(unions.items())
        }
        aliases = {kind: name for kind, name in aliases.items() if "Union" in kind}
        for kind, name in aliases.items():
            lines += ["", f"{name} = {kind}"]
        for stem, kind in sorted(unions.items()):
            by_type[kind].append(stem)
        for call, gives, waits in (
            ("WaitFor", "{}", True),
            ("Expect", "Expectation[{}]", False),
            ("Events", "EventStream[{}]", True),
        ):
            lines += ["", "", f"class {protocol}{call}(Protocol):"]
            lines += [f'    """`{METHODS[call]}` of a session."""', ""]
            kinds = [
                (kind, f"Literal[{', '.join(map(quoted, sorted(names)))}]", False)
                for kind, names in by_type.items()
            ]
            kinds += [("Event", "type[Event]", False)]
            kinds += [("events.ServerEvent", "str", True)]
            for kind, asked, unknown in kinds:
                kind = aliases.get(kind, kind)
                default = " = ..." if '"*"' in asked and call == "Events" else ""
                options = f"where: Where[{kind}] = ..."
                options += ", timeout: Timeout = ..." if waits else ""
                options += ", unknown: Literal[True]" if unknown else PLAIN
                lines += [
                    "    @overload",
                    f"    def __call__(self, event: {asked}{default}, *, {options}) -> "
                    f"{gives.format(kind)}: ...",
                ]
    return "\n".join(lines) + "\n"


PLAIN = ", unknown: Literal[False] = ..."
METHODS = {"WaitFor": "wait_for", "Expect": "expect", "Events": "events"}


def union(of: Iterable[str]) -> str:
    """How some classes are written as one type."""
    of = sorted(of)
    return of[0] if len(of) == 1 else f"Union[{', '.join(of)}]"


def alias(stem: str) -> str:
    """The name of the type of a pattern."""
    words = stem.removesuffix("*").replace(".", "_").split("_")
    return "".join(word.capitalize() for word in words) or "Every"


def quoted(name: str) -> str:
    """A name as it stands in a program."""
    return f'"{name}"'


def files() -> Iterator[tuple[Path, str]]:
    """Every file, and what it has to hold, but for the layout."""
    yield NAMES, names_file()
    yield CALLS, calls_file()


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text, encoding="utf-8")
