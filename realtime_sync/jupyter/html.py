"""Sessions, snapshots, items and answers as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from .. import live
from ..report import Content, Markup, Utterance, element, player
from ..report import said as said_html
from ..report import style, tell
from ..telemetry import activity
from .named_sessions import sounds_of

if TYPE_CHECKING:
    from .. import Reply, Session, Snapshot
    from ..state.snapshot import Item, ResponseState

MOST_ITEMS = 50
"""Items of a snapshot that are shown, the latest."""

SAID = {"class_": "rs-said", "style": "margin-top:10px"}
"""What a list of things that were said looks like below the facts."""


def html_of(kind: str, value: object) -> str:
    """
    HTML of one of the library's objects, to stand in a page among others.

    Args:
        kind: ``"session"``, ``"snapshot"``, ``"live session"``,
            ``"live snapshot"``, ``"item"``, ``"response"``, ``"reply"`` or ``"audio"``.
        value: the object.
    """
    return framed_html(SHOWN[kind](value))


def framed_html(*content: Content) -> str:
    """Content in a frame of its own, with the style that it needs."""
    return str(
        element(
            "div",
            element("style", style()),
            content,
            class_="rs",
            style="padding:8px 10px;border-radius:6px;max-width:760px",
        )
    )


def facts_html(pairs: Mapping[str, Any]) -> Markup:
    """Names and values side by side; what is empty is left out."""
    return element(
        "dl",
        [
            element("div", element("dt", name), element("dd", str(value)))
            for name, value in pairs.items()
            if value not in (None, "", False)
        ],
        class_="rs-facts",
    )


def transcript_html(
    snapshot: Snapshot | live.LiveSnapshot, *, players: bool = True
) -> Markup:
    """What was said and called in a snapshot, the latest of it."""
    lines: Sequence[Any]
    if isinstance(snapshot, live.LiveSnapshot):
        lines = tell(snapshot).utterances
        shown = [said_html(each) for each in lines[-MOST_ITEMS:]]
    else:
        lines = snapshot.items
        shown = _items_html(lines[-MOST_ITEMS:], players)
    left_out = len(lines) - MOST_ITEMS
    note = element("small", f"{left_out} earlier items") if left_out > 0 else None
    return element("div", note, shown, **SAID)


def _live_session_html(session: live.LiveSession) -> Content:
    state = "open" if session.is_open else ("closed" if session.closed else "not open")
    pairs = {"session": session.name, "state": state}
    return [
        facts_html({**pairs, **_taken_html(session.snapshot)}),
        transcript_html(session.snapshot),
    ]


def _live_snapshot_html(snapshot: live.LiveSnapshot) -> Content:
    pairs = {"snapshot": f"version {snapshot.version}"}
    return [facts_html({**pairs, **_taken_html(snapshot)}), transcript_html(snapshot)]


def _taken_html(snapshot: live.LiveSnapshot) -> dict[str, Any]:
    """What is known of a live session, its seconds and its tokens too."""
    story = tell(snapshot)
    tokens = f"{story.tokens.input:,} in, {story.tokens.output:,} out"
    return {
        **dict(story.facts),
        "activity": activity(snapshot),
        "delegations": len(snapshot.delegations) or None,
        "tokens": tokens if story.tokens.total else None,
        "anomalies": len(snapshot.anomalies) or None,
    }


def _session_html(session: Session) -> Content:
    snapshot = session.snapshot
    state = "open" if session.is_open else ("closed" if session.closed else "not open")
    return [
        facts_html(
            {
                "session": session.name,
                "state": f"{state}, {activity(snapshot)}" if session.is_open else state,
                "model": getattr(session.config, "model", None) or "",
                "id": session.id,
                "dialect": session.dialect,
                "handlers": len(session.handlers()),
                **_amounts_html(snapshot),
            }
        ),
        transcript_html(snapshot),
    ]


def _snapshot_html(snapshot: Snapshot) -> Content:
    pairs = {"snapshot": f"version {snapshot.version}", **_amounts_html(snapshot)}
    return [facts_html(pairs), transcript_html(snapshot)]


def _amounts_html(snapshot: Snapshot) -> dict[str, Any]:
    usage = snapshot.usage
    cached = f", {usage.cached_tokens:,} cached" if usage.cached_tokens else ""
    tokens = f"{usage.input_tokens:,} in{cached}, {usage.output_tokens:,} out"
    return {
        "items": len(snapshot.items),
        "responses": len(snapshot.responses),
        "tokens": tokens if usage.total_tokens else None,
        "anomalies": len(snapshot.anomalies),
    }


def _items_html(items: Sequence[Any], players: bool = True) -> list[Markup]:
    sounds = sounds_of(item.id for item in items) if players else {}
    return [_item_html(each, sounds.get(each.id)) for each in items]


def _item_html(item: Item, sound: Optional[tuple[bytes, str, int]]) -> Markup:
    message = item.type == "message"
    text = item.heard if message else _call_html(item)
    unheard = item.said[len(text) :] if item.truncated else ""
    remarks = [] if item.status in (None, "completed") else [str(item.status)]
    if item.heard_ms is not None:
        remarks.append(f"cut off after {item.heard_ms / 1000:.1f} s")
    return said_html(
        Utterance(
            role=str(item.role) if message and item.role else "tool",
            text=text,
            item_id=item.id,
            unheard=unheard,
            remark=", ".join(remarks),
            sound=sound,
        ),
        small=True,
    )


def _call_html(item: Item) -> str:
    if item.type == "function_call_output":
        return f"→ {item.output or ''}"
    if item.name:
        output = f" → {item.output}" if item.output else ""
        return f"{item.name}({item.arguments or ''}){output}"
    return str(item.type or "unknown item")


def _response_html(response: ResponseState) -> Content:
    usage = response.usage or None
    pairs = {
        "response": response.id,
        "status": response.status,
        "tokens": getattr(usage, "total_tokens", None) or None,
    }
    return [facts_html(pairs), element("div", _items_html(response.output), **SAID)]


def _reply_html(reply: Reply) -> Content:
    usage: Optional[Any] = reply.usage
    calls = [
        element("div", f"{call.name}({call.arguments or ''})")
        for call in reply.tool_calls
    ]
    return [
        facts_html(
            {
                "status": "" if reply.status == "completed" else reply.status,
                "steps": len(reply.steps) if len(reply.steps) > 1 else None,
                "tokens": getattr(usage, "total_tokens", None) or None,
            }
        ),
        element(
            "div",
            element(
                "article",
                element("div", reply.text),
                calls,
                player(reply.audio, small=True) if reply.audio is not None else None,
                class_="rs-line rs-by-assistant",
            ),
            **SAID,
        ),
    ]


SHOWN: Mapping[str, Callable[[Any], Content]] = {
    "session": _session_html,
    "snapshot": _snapshot_html,
    "live session": _live_session_html,
    "live snapshot": _live_snapshot_html,
    "item": lambda item: _items_html([item]),
    "response": _response_html,
    "reply": _reply_html,
    "audio": lambda audio: [
        player(audio, small=True),
        element("small", f"{audio.seconds:.1f} s"),
    ],
}
"""What can be shown, and how."""
