"""Directives that write tables of the documentation from the library's own."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bounds import BOUNDS, Bound
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from realtime_sync import errors
from realtime_sync.cli.main import command_line_parser
from realtime_sync.protocol.acks import ACKS, AckRule
from realtime_sync.protocol.dialects.server_quirks import HABITS, SERVERS, KnownServer
from realtime_sync.protocol.live.acks import ACKS as LIVE_ACKS
from realtime_sync.protocol.registry import LIVE_ROWS, ROWS, Row
from realtime_sync.server import FAULTS
from realtime_sync.state import transitions

LIVE = "live."
"""What the families of GPT-Live begin with, and where programs find their classes."""
FRAMES = Path(__file__).parents[2] / "tests" / "frames"
"""Examples of every event, which the tests decode and encode again."""
WIDTH = 76
PLACES = re.compile(r"(?<=[._])(?=\w)|(?<=\w\()(?=\w)|(?<=[a-z])(?=[A-Z])")
"""Where a name in a table may break, if the table would be too wide otherwise."""


def list_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A ``list-table`` directive; a cell may have several lines."""
    lines = [".. list-table::", "   :header-rows: 1", "   :width: 100%", ""]
    for row in (head, *rows):
        for index, cell in enumerate(row):
            text = cell.replace("\n", "\n" + " " * len("   * - "))
            lines.append(f"   {'*' if index == 0 else ' '} - {text}".rstrip())
    return "\n".join(lines)


def code(text: str | None) -> str:
    """Inline literal, or a dash for what does not exist."""
    return f"``{text}``" if text else "–"


def class_path(row: Row) -> str:
    """Where a program finds the class of an event, below the package."""
    return f"{LIVE if row.family.startswith(LIVE) else ''}events.{row.class_name}"


def class_link(row: Row) -> str:
    """A reference to the class of an event."""
    path = class_path(row)
    return f":py:class:`{path} <realtime_sync.{path}>`"


class EventTable(SphinxDirective):
    """
    ``event-table:: server`` lists the events that servers send.

    ``event-table:: server live`` lists those of GPT-Live, which have one spelling.
    """

    required_arguments = 1
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        direction, *live = self.arguments
        rows = [r for r in (LIVE_ROWS if live else ROWS) if r.direction == direction]
        if live:
            head: tuple[str, ...] = ("Name", "Class")
            lines = [(code(row.name), class_link(row)) for row in rows]
        else:
            head = ("GA spelling", "Beta spelling", "Class", "Sessions")
            lines = [self.cells(row) for row in rows]
        text = list_table(head, lines)
        return self.parse_text_to_nodes(f"{len(rows)} events.\n\n{text}")

    def cells(self, row: Row) -> tuple[str, ...]:
        """One line of the table."""
        sessions = ", ".join(row.session_types)
        return code(row.name), code(row.beta), class_link(row), sessions


def folded(value: Any, indent: int = 0, used: int = 0) -> str:
    """JSON in which what fits stands in one line; *used* is taken by a name."""
    flat = json.dumps(value, ensure_ascii=False)
    fits = len(flat) + indent + used <= WIDTH
    if fits or not value or not isinstance(value, (dict, list)):
        return flat
    if isinstance(value, dict):
        named = [(f"{json.dumps(name)}: ", each) for name, each in value.items()]
    else:
        named = [("", each) for each in value]
    inner = "\n" + " " * (indent + 2)
    body = ",".join(inner + n + folded(e, indent + 2, len(n)) for n, e in named)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}{body}\n{' ' * indent}{last}"


class EventClasses(SphinxDirective):
    """``event-classes:: response`` documents the classes of one wire namespace."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = []
        for row in (*ROWS, *LIVE_ROWS):
            if row.family == self.arguments[0]:
                lines += [f".. autoclass:: realtime_sync.{class_path(row)}"]
                lines += ["   :members:", "", *self.wire(row)]
        return self.parse_text_to_nodes("\n".join(lines))

    def wire(self, row: Row) -> list[str]:
        """Names on the wire, and a frame."""
        other = (
            f", in the beta ``{row.beta}``" if row.beta not in (None, row.name) else ""
        )
        told = [f"   On the wire: ``{row.name}``{other}.", ""]
        live = row.family.startswith(LIVE)
        for dialect in ("live",) if live else ("ga", "translation", "beta"):
            path = FRAMES / dialect / row.direction / f"{row.name}.json"
            if path.exists():
                self.env.note_dependency(str(path))
                frame = folded(json.loads(path.read_text(encoding="utf-8")))
                told += ["   .. code-block:: json", ""]
                return told + [f"      {line}" for line in frame.splitlines()] + [""]
        return told


class RejectionTable(SphinxDirective):
    """``rejection-table::`` lists which error code raises which exception."""

    def run(self) -> list[nodes.Node]:
        rows = [
            (code(name), f":py:exc:`~realtime_sync.errors.{kind.__name__}`")
            for name, kind in sorted(errors.REJECTIONS.items())
        ]
        text = list_table(("Error code of the server", "Exception"), rows)
        return self.parse_text_to_nodes(text)


class FaultTable(SphinxDirective):
    """``fault-table::`` lists what the local server can do wrong on demand."""

    def run(self) -> list[nodes.Node]:
        rows = [(code(name), what) for name, what in FAULTS.items()]
        return self.parse_text_to_nodes(list_table(("Fault", "What it does"), rows))


class ServerTable(SphinxDirective):
    """``server-table::`` lists what is known of other servers."""

    def run(self) -> list[nodes.Node]:
        head = ("Server", "How to connect", "What it does → what becomes of it here")
        rows = [self.cells(name, server) for name, server in SERVERS.items()]
        return self.parse_text_to_nodes(list_table(head, rows))

    def cells(self, name: str, server: KnownServer) -> tuple[str, ...]:
        """One line of the table."""
        habits = [h for h in HABITS if name in h.servers]
        told = [f"{habit.does} → {habit.ours}" for habit in habits]
        lines = [f"- {each}" for each in (server.lacks, *told) if each]
        return name, server.connect, "\n".join(lines)


class AckTable(SphinxDirective):
    """
    ``ack-table::`` lists which event acknowledges which command.

    ``ack-table:: live`` lists those of GPT-Live.
    """

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        commands, rules = (LIVE_ROWS, LIVE_ACKS) if self.arguments else (ROWS, ACKS)
        rows = [self.cells(r, rules) for r in commands if r.direction == "client"]
        head = ("Command", "Acknowledged by", "Matched by", "Errors that are its own")
        return self.parse_text_to_nodes(list_table(head, rows))

    def cells(self, row: Row, rules: Mapping[str, AckRule]) -> tuple[str, ...]:
        """One line of the table."""
        rule = rules.get(row.name)
        if rule is None:
            return code(row.name), "nothing", "–", "–"
        events = ", ".join(map(code, rule.events))
        own = ", ".join(map(code, sorted(rule.error_codes)))
        return code(row.name), events, rule.matched_by, own or "–"


class StateTable(SphinxDirective):
    """``state-table:: RESPONSE`` lists what may follow what."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        table = getattr(transitions, self.arguments[0])
        rows = [
            (code(state), ", ".join(map(code, sorted(table[state]))) or "the end")
            for state in table
        ]
        return self.parse_text_to_nodes(list_table(("State", "May become"), rows))


class BoundTable(SphinxDirective):
    """``bound-table:: mirror`` lists the bounds of one kind."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        head = ("What", "Bound", "What happens there")
        rows = [self.cells(row) for row in BOUNDS[self.arguments[0]]]
        return self.parse_text_to_nodes(list_table(head, rows))

    def cells(self, row: Bound) -> tuple[str, ...]:
        """One line of the table."""
        named = f"{row.what} (``{row.where}=``)" if row.option else row.what
        return named, row.shown(), row.then


class CommandHelp(SphinxDirective):
    """``command-help::`` prints the help of every command of the terminal."""

    def run(self) -> list[nodes.Node]:
        actions = command_line_parser()._actions
        kinds = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
        lines: list[str] = []
        for name, command in kinds[0].choices.items():
            text = command.format_help().splitlines()
            title = f"realtime-sync {name}"
            lines += [title, "-" * len(title), "", ".. code-block:: text", ""]
            lines += [f"   {line}".rstrip() for line in text] + [""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


class BreakableNames(SphinxPostTransform):
    """Let long names in tables break, or wide tables are cut."""

    default_priority = 900
    builders = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Put an element into each of the places."""
        for entry in self.document.findall(nodes.entry):
            for literal in entry.findall(nodes.literal):
                first, *others = PLACES.split(literal.astext())
                literal.children = [nodes.Text(first)]
                for piece in others:
                    literal += nodes.raw("", "<wbr>", format="html")
                    literal += nodes.Text(piece)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_post_transform(BreakableNames)
    app.add_directive("ack-table", AckTable)
    app.add_directive("bound-table", BoundTable)
    app.add_directive("command-help", CommandHelp)
    app.add_directive("event-table", EventTable)
    app.add_directive("fault-table", FaultTable)
    app.add_directive("event-classes", EventClasses)
    app.add_directive("rejection-table", RejectionTable)
    app.add_directive("server-table", ServerTable)
    app.add_directive("state-table", StateTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
