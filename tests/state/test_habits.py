"""The mirror of servers whose habits are drawn at random, in both dialects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_sync.state.reduce import reduce_command
from tests.state.mirror_builder import MISSING, Mirror, answer, message

TRANSCRIPTION = "conversation.item.input_audio_transcription."
PIECES = st.lists(st.sampled_from(["5", "ha", "no, ", "Hello ", "yes"]), min_size=1)
HABITS = st.fixed_dictionaries(
    {
        "dialect": st.sampled_from(["ga", "beta"]),
        "predecessors": st.sampled_from(["named", "null", "empty", "absent"]),
        "captions": st.sampled_from(["pieces", "cumulative", "interim", "none"]),
        "whole": st.sampled_from(["all", "last", "nothing"]),
        "statuses": st.booleans(),
        "named_deletions": st.booleans(),
    }
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["speak", "respond"]), PIECES),
        st.tuples(st.just("delete"), st.integers(0, 9)),
    ),
    max_size=12,
)


class Habitual:
    """A server with habits, what it believes, and the mirror that it tells."""

    def __init__(self, habits: dict[str, Any]) -> None:
        self.habits = habits
        self.mirror = Mirror(dialect=habits["dialect"])
        self.texts: dict[str, str] = {}
        self._count = 0

    def _added(self, item: dict[str, Any]) -> None:
        before = list(self.texts)[-1] if self.texts else None
        # Every third item names its predecessor, whatever the habit.
        habit = "named" if self._count % 3 == 0 else self.habits["predecessors"]
        told = {"named": before, "null": None, "empty": "", "absent": MISSING}
        if not self.habits["statuses"]:
            item = {name: item[name] for name in item if name != "status"}
        self.mirror.added(item, told[habit])

    def speak(self, pieces: list[str]) -> None:
        """The user speaks; it is transcribed."""
        self._count += 1
        item_id, whole = f"u{self._count}", "".join(pieces)
        self._added(message(item_id, [{"type": "input_audio"}]))
        self.texts[item_id] = whole
        so_far = ""
        for piece in pieces:
            so_far += piece
            kind, told = {
                "pieces": ("delta", {"delta": piece}),
                "cumulative": ("delta", {"delta": so_far}),
                "interim": (
                    "completed",
                    {"transcript": so_far, "status": "in_progress"},
                ),
                "none": ("delta", {"delta": ""}),
            }[self.habits["captions"]]
            self.mirror.tell(TRANSCRIPTION + kind, item_id=item_id, **told)
        if self.habits["captions"] == "interim":
            assert whole == self.mirror.item(item_id).text
            part = self.mirror.item(item_id).content[0]
            assert "in_progress" == part.transcription
        self.mirror.tell(TRANSCRIPTION + "completed", item_id=item_id, transcript=whole)

    def respond(self, pieces: list[str]) -> None:
        """The model answers in pieces, and calls all or the last the whole."""
        self._count += 1
        item_id, whole = f"a{self._count}", "".join(pieces)
        mirror = self.mirror
        mirror.created(item_id)
        self._added(answer(item_id))
        self.texts[item_id] = whole
        for piece in pieces:
            mirror.text(piece, item_id, response_id=item_id)
        said = {"all": whole, "last": pieces[-1], "nothing": ""}[self.habits["whole"]]
        kind = "response.output_text.done"
        mirror.about(kind, item_id, response_id=item_id, text=said)
        mirror.tell("response.done", response={"id": item_id, "status": "completed"})

    def delete(self, which: int) -> None:
        """An item is deleted, and perhaps not named."""
        if not self.texts:
            return
        item_id = list(self.texts)[which % len(self.texts)]
        command = {"type": "conversation.item.delete", "item_id": item_id}
        self.mirror.snapshot = reduce_command(self.mirror.snapshot, command)
        named = item_id if self.habits["named_deletions"] else ""
        self.mirror.tell("conversation.item.deleted", item_id=named)
        del self.texts[item_id]


def followed(habits: dict[str, Any], steps: list[Any]) -> None:
    """The mirror believes what the server believes, after every step."""
    server = Habitual(habits)
    for name, argument in steps:
        getattr(server, name)(argument)

        assert list(server.texts) == server.mirror.order
        for item in server.mirror.snapshot.items:
            assert server.texts[item.id] == item.text
            assert item.role == "user" or item.status == "completed"


@settings(max_examples=200)
@given(HABITS, STEPS)
def test_the_mirror_follows_servers_with_habits(
    habits: dict[str, Any], steps: list[Any]
) -> None:
    """Order, words and statuses, whatever is null, doubled, interim or unnamed."""
    followed(habits, steps)


@pytest.mark.deep
@settings(max_examples=2000)
@given(HABITS, STEPS)
def test_the_mirror_follows_them_at_length(
    habits: dict[str, Any], steps: list[Any]
) -> None:
    """The same, two thousand times."""
    followed(habits, steps)
