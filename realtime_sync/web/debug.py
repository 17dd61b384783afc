"""A page that steps through a recording: any event, and the session as of it."""

from __future__ import annotations

import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from .. import Snapshot, Steps
from ..protocol import audio_fields, sensitive
from ..types import RecordingSource
from .host import Answer, Asked, WebHost

MOST_LISTED: Final = 400
"""Events of the log that are told at once."""

MOST_CHANGES: Final = 60
"""Differences to the event before that are told."""

LONGEST: Final = 2000
"""Characters of a value that has changed."""

_BLOCK: Final = 1 << 20


class Debugger:
    """
    Shows a recording on a page of a host: its events, one at a time or running, and
    the snapshot as it was at each.

    Args:
        host: serves it.
        source: path of a recording, or its lines; see `realtime_sync.Steps`.
        path: of the page.

    Raises:
        OSError: the file cannot be read.
        ConfigurationError: it is no recording.

    Attributes:
        steps: the recording.
        url: the address of the page, with the token that opens it.
    """

    def __init__(
        self, host: WebHost, source: RecordingSource, *, path: str = "/debug"
    ) -> None:
        self._file = Path(source) if isinstance(source, (str, os.PathLike)) else None
        self.steps = Steps(source)
        # Guards what fitted the filter that was asked for last.
        self._lock = threading.Lock()
        self._fitting: tuple[object, list[int]] = (None, [])
        self._name = self._file.name if self._file else "recording.jsonl"
        host.page(path, "debug.html")
        host.route(f"{path}/about", lambda asked: Answer.json(self.about()))
        host.route(f"{path}/events", self._told_events)
        host.route(f"{path}/step", self._told_step)
        host.route(f"{path}/recording", self._downloaded)
        self.url = host.url(path)

    def __repr__(self) -> str:
        return f"<Debugger of {self._name}: {len(self.steps)} events>"

    def about(self) -> dict[str, Any]:
        """What the recording is, as JSON values."""
        steps = self.steps
        return {
            "name": self._name,
            "events": len(steps),
            "seconds": steps.seconds,
            "started": steps.started,
            "dialect": steps.dialect,
            "session_type": steps.session_type,
            "downloadable": self._file is not None,
        }

    def events(
        self,
        around: int,
        *,
        words: Sequence[str] = (),
        directions: Sequence[str] = ("in", "out", "note"),
        sound: bool = True,
    ) -> dict[str, Any]:
        """
        The log near an event, as JSON values.

        Args:
            around: the event in the middle.
            words: that are all in the type.
            directions: only these.
            sound: events that are sound, too.

        Returns:
            The ``events`` and how many there are ``before`` and ``after`` them, and
            which fit the filter next to *around*: ``previous`` and ``next``.
        """
        fitting = self._find(tuple(words), tuple(directions), sound)
        earlier, later = bisect_left(fitting, around), bisect_right(fitting, around)
        first = max(0, min(earlier - MOST_LISTED // 2, len(fitting) - MOST_LISTED))
        shown = fitting[first : first + MOST_LISTED]
        return {
            "events": [
                [step.number, step.at, step.direction, step.type]
                for step in map(self.steps.__getitem__, shown)
            ],
            "before": first,
            "after": len(fitting) - first - len(shown),
            "previous": fitting[earlier - 1] if earlier else None,
            "next": fitting[later] if later < len(fitting) else None,
        }

    def _find(
        self, words: tuple[str, ...], directions: tuple[str, ...], sound: bool
    ) -> list[int]:
        """The numbers of the events that fit a filter."""
        wanted = words, directions, sound
        with self._lock:
            known, numbers = self._fitting
        if known != wanted:
            numbers = [
                step.number
                for step in self.steps
                if step.direction in directions
                and (sound or step.type not in audio_fields.BLOCKS)
                and all(word in step.type for word in words)
            ]
            with self._lock:
                self._fitting = wanted, numbers
        return numbers

    def step(self, number: int) -> dict[str, Any]:
        """
        An event, the snapshot as of it, and what it changed, as JSON values.

        Raises:
            IndexError: there is no such event.
        """
        step, line = self.steps[number], self.steps.line(number)
        packed = self.steps.snapshot(number).to_dict()
        before = self.steps.snapshot(number - 1).to_dict() if step.number else {}
        frame: object = line.frame
        if frame is None:
            frame = line.data[:LONGEST].decode("utf-8", "replace")
        return {
            "number": step.number,
            "at": step.at,
            "direction": step.direction,
            "type": step.type,
            "connection": step.connection,
            "frame": sensitive.shown_frame(frame),
            "size": len(line.data),
            "changes": list(debug_differences(before, packed)) if step.number else [],
            "snapshot": packed,
            **shown_for_debug(self.steps.snapshot(number)),
        }

    # -- answers to the page -------------------------------------------------------

    def _told_events(self, asked: Asked) -> Answer:
        query = asked.query
        directions = query.get("directions", "in out note").split()
        return Answer.json(
            self.events(
                asked.number("around"),
                words=query.get("words", "").lower().split(),
                directions=directions,
                sound=query.get("sound") != "no",
            )
        )

    def _told_step(self, asked: Asked) -> Answer:
        number = asked.number("number")
        if "at" in asked.query:
            try:
                number = self.steps.number_at(float(asked.query["at"]))
            except ValueError:
                return Answer(body="The time is no number.", status=400)
        if not 0 <= number < len(self.steps):
            return Answer(body="There is no such event.", status=404)
        return Answer.json(self.step(number))

    def _downloaded(self, asked: Asked) -> Answer:
        if self._file is None:
            return Answer(body="The recording is not a file.", status=404)
        return Answer(
            body=_debug_file_blocks(self._file),
            media_type="application/x-ndjson",
            filename=self._name,
        )


def debug_differences(
    before: object, after: object, path: str = ""
) -> Iterator[dict[str, Any]]:
    """
    Where two JSON values differ: path, and what was and is there, the first of them.

    Args:
        before, after: what is compared.
        path: where they are.
    """
    found = _debug_differences_below(before, after, path)
    for count, each in enumerate(found):
        if count == MOST_CHANGES:
            yield {"path": "and more", "before": None, "after": None}
            return
        yield each


def _debug_differences_below(
    before: object, after: object, path: str
) -> Iterator[dict[str, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {**before, **after}
        for name in pairs:
            inner = f"{path}.{name}" if path else str(name)
            yield from _debug_differences_below(
                before.get(name), after.get(name), inner
            )
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)):
        for place in range(max(len(before), len(after))):
            old = before[place] if place < len(before) else None
            new = after[place] if place < len(after) else None
            yield from _debug_differences_below(old, new, f"{path}[{place}]")
    elif before != after:
        yield {
            "path": path,
            "before": _short_for_debug(before),
            "after": _short_for_debug(after),
        }


def shown_for_debug(snapshot: Any) -> dict[str, Any]:
    """What a person looks for in a snapshot of either protocol, as JSON values."""
    told = (
        _debug_view_of_realtime
        if isinstance(snapshot, Snapshot)
        else _debug_view_of_live
    )
    return told(snapshot)


def _debug_view_of_realtime(snapshot: Snapshot) -> dict[str, Any]:
    active = snapshot.active_response
    usage = snapshot.usage
    return {
        "facts": {
            "version": snapshot.version,
            "items": len(snapshot.items),
            "responses": len(snapshot.responses),
            "active response": "" if active is None else active.id,
            "user speaks": "yes" if snapshot.user_speaking else "no",
            "tokens": f"{usage.input_tokens:,} in, {usage.output_tokens:,} out",
            "anomalies": len(snapshot.anomalies),
        },
        "lines": [
            {
                "role": str(item.role or "?"),
                "text": item.heard,
                "unheard": item.said[len(item.heard) :] if item.truncated else "",
                "status": str(item.status or ""),
            }
            for item in snapshot.items
            if item.type == "message"
        ],
        "calls": [
            {
                "name": str(item.name or item.type),
                "arguments": item.arguments or "",
                "output": _debug_output(snapshot, item),
                "status": str(item.status or ""),
            }
            for item in snapshot.items
            if item.name and item.type != "function_call_output"
        ],
        "problems": [
            f"{each.kind}: {each.event_type}: {each.detail}"
            for each in snapshot.anomalies
        ],
    }


def _debug_view_of_live(snapshot: Any) -> dict[str, Any]:
    usage = snapshot.usage
    ratio = usage.context_ratio
    return {
        "facts": {
            "version": snapshot.version,
            "state": snapshot.state,
            "session": snapshot.id or "",
            "billed seconds": f"{usage.total_seconds:g}",
            "context": "" if ratio is None else f"{ratio:.0%}",
            "delegations": len(snapshot.delegations),
            "anomalies": len(snapshot.anomalies),
        },
        "lines": [
            {"role": who, "text": text, "unheard": "", "status": ""}
            for who, text in snapshot.transcript()
        ],
        "calls": [
            {
                "name": call.name,
                "arguments": call.arguments,
                "output": "",
                "status": call.state,
            }
            for work in snapshot.delegations.values()
            for call in work.calls.values()
        ]
        + [
            {
                "name": f"delegation to {work.target}",
                "arguments": work.id,
                "output": work.text,
                "status": work.state,
            }
            for work in snapshot.delegations.values()
        ],
        "problems": list(snapshot.anomalies),
    }


def _debug_output(snapshot: Snapshot, item: Any) -> str:
    if item.output:
        return str(item.output)
    answer = snapshot.output_of(item.call_id) if item.call_id else None
    return "" if answer is None else str(answer.output or "")


def _short_for_debug(value: object) -> object:
    if isinstance(value, str) and len(value) > LONGEST:
        return f"{value[:LONGEST]}… ({len(value)} characters)"
    return value


def _debug_file_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
