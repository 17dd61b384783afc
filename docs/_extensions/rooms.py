"""Draws the rooms of the package from the table that the tests hold them against."""

from __future__ import annotations

import ast
import html
import re
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TABLE = Path(__file__).parents[2] / "tests" / "test_architecture.py"
ROOT_FILES = {
    "types": "Names of annotations, and UNSET.",
    "errors": "The tree of exceptions.",
    "deadline": "One deadline per operation.",
    "__main__": "The command, as ``python -m realtime_sync``.",
    "client": "What is configured once and used often.",
}
WIDTH, HEIGHT, GAP_X, GAP_Y = 150, 44, 18, 46
Place = tuple[float, float]
"""Left upper corner of a box."""


def rows() -> dict[str, set[str]]:
    """Each room, and the rooms that it may import."""
    tree = ast.parse(TABLE.read_text(encoding="utf-8"))
    text = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROWS"
    )
    table: dict[str, set[str]] = {}
    for line in re.sub(r"\n {20,}", " ", text).strip().splitlines():
        left, _, right = line.partition(":")
        targets = {target.split(".")[0] for target in right.split()} - {"PUBLIC"}
        for room in left.split():
            table[room] = targets - {room}
    return {
        room: set() if room in ("types", "errors") else table[room] for room in table
    }


def levels(table: dict[str, set[str]]) -> dict[str, int]:
    """How high each room stands: above everything that it imports."""

    def level(room: str) -> int:
        return 1 + max((level(each) for each in table[room]), default=-1)

    return {room: level(room) for room in table}


def sentence(room: str) -> str:
    """What lives in a room, as its folder says."""
    if room in ROOT_FILES:
        return ROOT_FILES[room]
    document = import_module(f"realtime_sync.{room}").__doc__ or ""
    return document.strip().splitlines()[0]


def below(table: dict[str, set[str]], room: str) -> set[str]:
    """What a room imports, and what that imports, and so on."""
    return table[room].union(*(below(table, each) for each in table[room]))


def needed(table: dict[str, set[str]], room: str) -> set[str]:
    """What a room imports and does not reach through another that it imports."""
    return table[room].difference(*(below(table, each) for each in table[room]))


def crossed(start: Place, end: Place, box: Place) -> bool:
    """Whether the line between two rooms runs through the box of a third."""
    (from_x, from_y), (to_x, to_y) = start, end
    length = to_y - from_y - HEIGHT
    if not from_y < box[1] < to_y:
        return False
    at = [
        from_x + WIDTH / 2 + (to_x - from_x) * (y - from_y - HEIGHT) / length
        for y in (box[1], box[1] + HEIGHT)
    ]
    return max(at) > box[0] and min(at) < box[0] + WIDTH


def placed(table: dict[str, set[str]]) -> dict[str, Place]:
    """Where each room is drawn: from the left, where no line runs through a box."""
    height = levels(table)
    top = max(height.values())
    places: dict[str, Place] = {}
    for room in sorted(table, key=lambda each: -height[each]):
        above = [places[each] for each in places if room in needed(table, each)]
        y = (top - height[room]) * (HEIGHT + GAP_Y)
        for column in range(len(table)):
            here = (column * (WIDTH + GAP_X), y)
            lines = [(each, here) for each in above]
            if here not in places.values() and not any(
                crossed(*line, box) for line in lines for box in places.values()
            ):
                places[room] = here
                break
    return places


def drawing() -> str:
    """An SVG: imports point down."""
    found = rows()
    shown = {"client"} | below(found, "client")
    table = {room: targets for room, targets in found.items() if room in shown}
    places = placed(table)
    total = (
        max(x for x, _ in places.values()) + WIDTH,
        max(y for _, y in places.values()) + HEIGHT,
    )
    parts = [
        f'<svg class="rooms" role="img" aria-label="Rooms and their imports" '
        f'viewBox="-4 -4 {total[0] + 8} {total[1] + 8}" style="max-width:100%" '
        f'width="{total[0]}" font-family="sans-serif" font-size="13">'
    ]
    for room, (x, y) in places.items():
        for target in sorted(needed(table, room)):
            to_x, to_y = places[target]
            parts.append(
                f'<line x1="{x + WIDTH / 2}" y1="{y + HEIGHT}" x2="{to_x + WIDTH / 2}" '
                f'y2="{to_y}" stroke="currentColor" stroke-opacity="0.45"/>'
            )
    for room, (x, y) in places.items():
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
            f'fill="var(--color-background-secondary, #eee)" stroke="currentColor"/>'
            f'<text x="{x + WIDTH / 2}" y="{y + HEIGHT / 2 + 5}" text-anchor="middle" '
            f'fill="currentColor">{html.escape(room)}</text>'
        )
    return "".join(parts) + "</svg>"


class RoomMap(SphinxDirective):
    """``room-map`` draws the rooms of the core and the shell."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TABLE))
        return [nodes.raw("", drawing(), format="html")]


class RoomTable(SphinxDirective):
    """``room-table`` says what lives in each room, and what it may import."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TABLE))
        lines = [".. list-table::", "   :header-rows: 1", "   :width: 100%", ""]
        lines += ["   * - Room", "     - What lives there", "     - May import"]
        for room, targets in rows().items():
            names = ", ".join(sorted(targets)) or "–"
            lines += [
                f"   * - ``{room}``",
                f"     - {sentence(room)}",
                f"     - {names}",
            ]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("room-map", RoomMap)
    app.add_directive("room-table", RoomTable)
    return {"parallel_read_safe": True}
