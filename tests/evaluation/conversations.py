"""Callers and agents for calls on a clock that the calls themselves move."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Union

from realtime_sync import Session, connect, live
from realtime_sync.server import open_engine
from realtime_sync.server.agents.scripted import Scripted
from realtime_sync.server.agents.tone import ToneSynthesizer
from realtime_sync.testing import ManualClock, MemoryTransport

from .booking import CONFIG, ListedRecognizer

NUMBERS = "One two three four five six seven eight nine ten."


def humming(answers: Any, *heard: str) -> Scripted:
    """An agent that understands what it is told that it understands."""
    return Scripted(
        answers, recognizer=ListedRecognizer(*heard), synthesizer=ToneSynthesizer()
    )


@contextmanager
def timeless(agent: Scripted, clock: ManualClock, **options: Any) -> Iterator[Session]:
    """A session in memory whose time the clock is."""
    engine = open_engine(agent, now=clock.now(), seed=1)
    transport = MemoryTransport(engine, clock=clock)
    given = {"config": CONFIG, **options}
    with connect(
        "gpt-realtime-2.1", transport=transport, dispatch="inline", **given
    ) as session:
        yield session


@contextmanager
def timeless_live(
    agent: Scripted, clock: ManualClock, **options: Any
) -> Iterator[live.LiveSession]:
    """The same of GPT-Live; the caller is the only one who sends sound."""
    engine = open_engine(agent, now=clock.now(), seed=1, session_type="live")
    transport = MemoryTransport(engine, clock=clock, session_type="live")
    session: Union[Session, live.LiveSession] = connect(
        "gpt-live-1",
        transport=transport,
        dispatch="inline",
        idle_audio=None,
        **options,
    )
    with session:
        assert isinstance(session, live.LiveSession)
        yield session
