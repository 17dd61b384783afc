"""
Mistakes that a type checker must find. Checked by mypy, never run.

Each line that is wrong says with which code; `warn_unused_ignores` fails the
check when mypy finds nothing there.
"""

from __future__ import annotations

from realtime_sync import Session, events, on


@on(events.ResponseDone)  # type: ignore[arg-type]
def wrong_event(event: events.ResponseTextDelta) -> None: ...


def wrong_arguments(session: Session) -> None:
    session.conversation.item.delete(7)  # type: ignore[arg-type]
    session.conversation.item.truncate("item_1", 120)  # type: ignore[call-arg]
    session.ask("Hello", timeout="soon")  # type: ignore[arg-type]
    session.response.create(on_conflict="shout")  # type: ignore[arg-type]


def wrong_results(session: Session) -> None:
    session.ask("Hello").txt  # type: ignore[attr-defined]
    session.response.create().results()  # type: ignore[attr-defined]
