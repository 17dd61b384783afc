"""Which audio is stale, and until when."""

from __future__ import annotations

import pytest

from realtime_sync.dispatch.stale_audio import StaleAudio
from realtime_sync.protocol.codec import Codec
from realtime_sync.state.reduce import reduce
from realtime_sync.state.snapshot import Snapshot

DELTA = {"type": "response.output_audio.delta", "item_id": "i", "delta": "AAAA"}
ENDS = {
    "done": {"type": "response.done", "response": {"id": "r", "status": "cancelled"}},
    "cancelled": {"type": "response.cancelled", "response_id": "r"},
    "speech": {"type": "input_audio_buffer.speech_started"},
}


class Heard:
    """A session's audio, as the loop notes it."""

    def __init__(self) -> None:
        self.stale, self._codec, self._snapshot = StaleAudio(), Codec(), Snapshot()

    def tell(self, event: dict[str, object]) -> None:
        """An event of the server."""
        read = self._codec.structure(event)
        self._snapshot = reduce(self._snapshot, read)
        self.stale.note(read, self._snapshot)

    def begin(self, response_id: str) -> None:
        """`response.created`."""
        response = {"id": response_id, "status": "in_progress"}
        self.tell({"type": "response.created", "response": response})

    def drops(self, response_id: str) -> bool:
        """Whether audio of a response is stale."""
        read = self._codec.structure({**DELTA, "response_id": response_id})
        return self.stale.is_of_interrupted(read)


@pytest.mark.parametrize("end", ENDS)
def test_audio_of_a_response_is_stale_once_it_is_interrupted(end: str) -> None:
    """That of others is not, nor is anything but audio."""
    heard = Heard()
    heard.begin("r")

    assert not heard.drops("r")
    heard.tell(ENDS[end])
    assert heard.drops("r")
    heard.begin("other")
    assert heard.drops("r")
    assert not heard.drops("other")


@pytest.mark.parametrize("end", ENDS)
def test_a_response_under_the_id_of_an_interrupted_one_is_heard(end: str) -> None:
    """A server with one id for all would be silent for ever after the first time."""
    heard = Heard()
    heard.begin("r")
    heard.tell(ENDS[end])
    heard.begin("r")

    assert not heard.drops("r")
    heard.tell(ENDS[end])
    assert heard.drops("r")


def test_a_response_that_comes_to_its_end_leaves_nothing_stale() -> None:
    """Its audio may still wait for handlers, and is wanted."""
    heard = Heard()
    heard.begin("r")
    heard.tell(
        {"type": "response.done", "response": {"id": "r", "status": "completed"}}
    )

    assert not heard.drops("r")
