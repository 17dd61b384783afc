"""
Segments: pieces of both sides, grouped into what reads as a conversation.

The wire has no turns. The rules here are those by which the vendor's own
client groups, so that both show the same: a side goes on until the other takes
over; a word of agreement that the assistant drops into the user's sentence is
left out when the user goes on. Grouping loses something; the fragments do not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, Optional

from attrs import define, frozen

from .fragments import Fragment

_SPACE: Final = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_AROUND: Final = _SPACE + ".,!?;:\"'()[]{}"

AGREEMENT: Final = frozenset(
    "aha|alright|gotcha|hm|hmm|mhm|mm|mm hmm|okay|ok|right|sure|uh huh|yeah|yep|yes"
    "".split("|")
)
"""Words by which a listener says that he listens."""


SETTLING_MS: Final = 50
"""How long both sides of one interval are waited for."""


@frozen(kw_only=True)
class Policy:
    """
    When a side has taken over, in milliseconds.

    Attributes:
        separation_ms: this long after the one side, the other has a turn.
        silence_ms: the assistant's turn ends when it says nothing for so long.
        backchannel_ms: what is shorter may be mere agreement; 0 keeps all.
        isolation_ms: mere agreement has nothing of the assistant so near.
        agreement: further words of agreement.
    """

    separation_ms: float = 500
    silence_ms: float = 2000
    backchannel_ms: float = 1000
    isolation_ms: float = 2000
    agreement: tuple[str, ...] = ()


@frozen(kw_only=True)
class Segment:
    """
    What one side said in one go.

    Attributes:
        speaker: ``"user"`` or ``"assistant"``.
        text: all of it.
        start_ms: where it begins, in milliseconds of its epoch.
        end_ms: where it ends.
        closed: why it is over: ``"speaker_change"``, ``"inactivity"``,
            ``"timestamp_reset"`` or ``"session_closed"``; None while it goes on.
        epoch: which session of several it belongs to.
    """

    speaker: str
    text: str
    start_ms: float
    end_ms: float
    closed: Optional[str] = None
    epoch: int = 0


LOSSLESS: Final = Policy(backchannel_ms=0)
"""Leaves nothing out."""


def segments(
    fragments: Iterable[Fragment],
    *,
    policy: Policy = Policy(),
    closed: bool = False,
    silent_ms: float = 0,
) -> tuple[Segment, ...]:
    """
    Group fragments, which are in delivery order.

    Args:
        fragments: of both sides. A new epoch begins like a new session.
        policy: when a side has taken over.
        closed: the session is over, so the last segment is.
        silent_ms: how long nothing has been said since the last of them.
    """
    grouping = _SegmentGrouping(policy)
    epoch = 0
    for each in fragments:
        if each.epoch != epoch:
            grouping.end("session_closed")
            epoch = each.epoch
            done, grouping = grouping.done, _SegmentGrouping(policy)
            grouping.done = done
        grouping.push(each)
    grouping.settle()
    if silent_ms:
        grouping.be_silent(silent_ms)
    if closed:
        grouping.end("session_closed", silent_ms)
    return (*grouping.done, *grouping.still_open())


def _plain_segment_text(text: str) -> str:
    small = text.lower().replace("-", " ").strip(_AROUND)
    return re.sub(f"[{_SPACE}]+", " ", small)


def _is_segment_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


@define
class _SegmentTurn:
    """A turn while it is being put together."""

    speaker: str
    text: str
    start_ms: float
    end_ms: float
    epoch: int
    # Only what may be mere agreement is ever left out.
    dispensable: bool = True

    @classmethod
    def of(cls, piece: Fragment) -> _SegmentTurn:
        return cls(piece.speaker, piece.text, piece.start_ms, piece.end_ms, piece.epoch)

    def extend(self, piece: Fragment, *, apart: bool = False) -> None:
        # What the other side said in between has parted two words.
        gap = (
            apart
            and _is_segment_word(self.text[-1])
            and _is_segment_word(piece.text[0])
        )
        self.text += " " + piece.text if gap else piece.text
        self.end_ms = max(self.end_ms, piece.end_ms)

    def segment(self, closed: Optional[str]) -> Segment:
        return Segment(
            speaker=self.speaker,
            text=self.text,
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            closed=closed,
            epoch=self.epoch,
        )


class _SegmentGrouping:
    """
    The turn that goes on, and the turn of the other side that may follow it.

    `aside` is what the other side has said meanwhile: it becomes the next turn,
    or it was mere agreement. `held` are pieces of one interval whose order is
    not known before both sides are there, or another interval begins.
    """

    def __init__(self, policy: Policy) -> None:
        self.done: list[Segment] = []
        self._policy = policy
        self._agreement = AGREEMENT | {
            _plain_segment_text(word) for word in policy.agreement
        } - {""}
        self._turn: Optional[_SegmentTurn] = None
        self._aside: Optional[_SegmentTurn] = None
        self._held: list[Fragment] = []
        self._assistant_end: Optional[float] = None
        self._last_start: float = 0
        self._now: float = 0
        # When the latest piece arrived, or the first of those that are held.
        self._received: float = 0

    def push(self, piece: Fragment) -> None:
        """Take the next piece."""
        self._wait_for(piece)
        held = self._held
        if held and self._interval(held[0]) == self._interval(piece):
            held.append(piece)
            if len({each.speaker for each in held}) > 1:
                self.settle()
            return
        self.settle()
        if self._turn is not None and self._turn.speaker == piece.speaker:
            self._take([piece])
        else:
            self._held = [piece]

    def _wait_for(self, piece: Fragment) -> None:
        """Let the time pass that it took to arrive, where that is known."""
        if piece.received_ms is None:
            return
        if self._held and piece.received_ms - self._received >= SETTLING_MS:
            self.settle()
        if not self._held:
            self.be_silent(max(0, piece.received_ms - self._received))
            self._received = piece.received_ms

    @staticmethod
    def _interval(piece: Fragment) -> tuple[float, float]:
        return piece.start_ms, piece.end_ms

    def settle(self) -> None:
        """Take what is held: nothing else of its interval will come."""
        held, self._held = self._held, []
        if held:
            self._take(held)

    def be_silent(self, milliseconds: float) -> None:
        """Let time pass in which nothing is said."""
        until = self._now + milliseconds
        while (due := self._due()) is not None and due <= until:
            self._pass(due)

    def end(self, reason: str, silent_ms: float = 0) -> None:
        """End all turns."""
        self.settle()
        aside = self._kept_at(self._now + silent_ms)
        self._finish(reason)
        self._aside = None
        if aside is not None:
            self._turn = aside
            self._finish(reason)

    def still_open(self) -> list[Segment]:
        """Return the turn that goes on, and what nothing will leave out."""
        lossless = self._policy.backchannel_ms == 0
        turns = (self._turn, self._aside if lossless else None)
        return [each.segment(None) for each in turns if each is not None]

    def _take(self, pieces: list[Fragment]) -> None:
        if pieces[0].start_ms < self._last_start:
            self.end("timestamp_reset")
            self._assistant_end, self._now = None, 0
        self._last_start = pieces[0].start_ms
        self._now = max(self._now, *(each.end_ms for each in pieces))
        first = "user" if self._turn is None else self._turn.speaker
        pieces = sorted(pieces, key=lambda each: each.speaker != first)
        start = pieces[0].start_ms
        while (due := self._due()) is not None and due < start:
            self._pass(due)
        speakers = {each.speaker for each in pieces}
        if self._turn is not None and self._turn.speaker not in speakers:
            self._pass(start, user_speaks="user" in speakers)
        for each in pieces:
            self._ingest(each)

    def _ingest(self, piece: Fragment) -> None:
        turn = self._turn
        if turn is None:
            self._turn = _SegmentTurn.of(piece)
        elif turn.speaker == piece.speaker:
            turn.extend(piece, apart=self._aside is not None)
        elif turn.speaker == "assistant":
            self._put_aside(piece)
            self._take_over()
        else:
            self._assistant_beside_user(turn, piece)

    def _assistant_beside_user(self, turn: _SegmentTurn, piece: Fragment) -> None:
        if self._went_on():
            self._aside = None
        if piece.start_ms - turn.end_ms < self._policy.separation_ms:
            self._put_aside(piece, self._agrees(piece, whole=False))
        elif self._agrees(piece, whole=True):
            self._put_aside(piece, self._aside is not None)
        else:
            self._aside = self._kept_at(piece.start_ms)
            if self._aside is None:
                self._aside = _SegmentTurn.of(piece)
            else:
                self._aside.extend(piece)
            self._take_over()

    def _put_aside(self, piece: Fragment, dispensable: bool = True) -> None:
        if self._aside is None:
            self._aside = _SegmentTurn.of(piece)
        else:
            self._aside.extend(piece)
        self._aside.dispensable = dispensable

    def _take_over(self) -> None:
        self._finish("speaker_change")
        self._turn, self._aside = self._aside, None

    def _finish(self, reason: str) -> None:
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if turn.speaker == "assistant":
            self._assistant_end = turn.end_ms
        self.done.append(turn.segment(reason))

    def _agrees(self, piece: Fragment, *, whole: bool) -> bool:
        """Whether the assistant does, or begins to, say a word of agreement."""
        aside = self._aside
        start = piece.start_ms if aside is None else aside.start_ms
        if piece.end_ms - start >= self._policy.backchannel_ms:
            return False
        text = _plain_segment_text(("" if aside is None else aside.text) + piece.text)
        if whole:
            return text in self._agreement
        return bool(text) and any(each.startswith(text) for each in self._agreement)

    def _due(self) -> Optional[float]:
        """When something happens without another word, None if nothing does."""
        turn, aside = self._turn, self._aside
        if turn is None:
            return None
        if aside is not None:
            taken = turn.end_ms + self._policy.separation_ms
            if self._undecided():
                return max(taken, aside.end_ms + self._policy.isolation_ms)
            return taken
        if turn.speaker == "assistant":
            return turn.end_ms + self._policy.silence_ms
        return None

    def _pass(self, time: float, *, user_speaks: bool = False) -> None:
        """Let it be this late."""
        turn, aside = self._turn, self._aside
        assert turn is not None
        if aside is not None and time >= turn.end_ms + self._policy.separation_ms:
            late = time >= aside.end_ms + self._policy.isolation_ms
            if late or not self._undecided():
                self._aside = self._kept_at(time)
                if self._aside is not None:
                    self._take_over()
                    return
        silent = time >= turn.end_ms + self._policy.silence_ms
        if turn.speaker == "assistant" and silent and not user_speaks:
            self._finish("inactivity")

    def _is_short(self, aside: _SegmentTurn) -> bool:
        return aside.end_ms - aside.start_ms < self._policy.backchannel_ms

    def _went_on(self) -> bool:
        """Whether the user goes on after a word of agreement."""
        turn, aside = self._turn, self._aside
        if turn is None or aside is None or not self._is_short(aside):
            return False
        return aside.dispensable and turn.end_ms > aside.end_ms

    def _follows_assistant(self) -> bool:
        """Whether the assistant goes on with what it said just before."""
        turn, aside, end = self._turn, self._aside, self._assistant_end
        if turn is None or aside is None or end is None:
            return False
        near = aside.start_ms - end < self._policy.isolation_ms
        return near and aside.start_ms <= turn.start_ms

    def _undecided(self) -> bool:
        """Whether only silence tells agreement from the beginning of a turn."""
        if self._aside is None or not self._aside.dispensable:
            return False
        decided = self._went_on() or self._follows_assistant()
        return self._is_short(self._aside) and not decided

    def _kept_at(self, time: float) -> Optional[_SegmentTurn]:
        """Return what was said aside, unless at this time it is mere agreement."""
        aside = self._aside
        if aside is None or self._went_on():
            return None
        if not self._undecided():
            return aside
        return aside if time < aside.end_ms + self._policy.isolation_ms else None
