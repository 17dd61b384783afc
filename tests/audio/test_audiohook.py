"""Genesys AudioHook: a dialogue beside the sound. Whole calls are in `testing`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_sync.audio.telephony import AUDIOHOOK, linear
from realtime_sync.errors import ConfigurationError, RemoteProtocolError
from tests.phone import Phone

MU_LAW = {"type": "audio", "format": "PCMU", "channels": ["external"], "rate": 8000}
NOBODY = "00000000-0000-0000-0000-000000000000"


def said(kind: str, number: int = 1, **parameters: Any) -> str:
    """A message of Genesys."""
    frame = {"version": "2", "id": "s1", "type": kind, "seq": number, "serverseq": 0}
    return json.dumps({**frame, "position": "PT0S", "parameters": parameters})


def opening(**changes: Any) -> str:
    """The first one."""
    who = {"id": "p", "ani": "+1415", "aniName": "Ann", "dnis": "+1800"}
    told = {"conversationId": "c1", "participant": who, "media": [MU_LAW]}
    return said("open", **{**told, **changes})


def answered(phone: Phone, *messages: str) -> list[dict[str, Any]]:
    """What the bridge says to some messages."""
    phone.carrier.advance(0.01)
    before = len(phone.carrier.messages)
    for message in messages:
        phone.bridge.receive(message)
    phone.carrier.advance(0.01)
    new = phone.carrier.messages[before:]
    return [json.loads(each) for each in new if isinstance(each, str)]


class Deaf(Phone):
    """A call that a test begins by itself: the carrier only takes what is sent."""

    def __init__(self, **options: Any) -> None:
        sent: list[Any] = []
        super().__init__(AUDIOHOOK, send=lambda carrier: sent.append, **options)
        self.carrier.messages = sent


def test_every_message_is_numbered_and_names_the_last_one_of_the_other_side() -> None:
    """A gap, or a number that was there, ends a session at Genesys."""
    with Deaf() as phone:
        frames = answered(phone, opening(), said("ping", 2), said("update", 3))
        phone.bridge.play(bytes(1600), "g711_ulaw")
        phone.bridge.player.run_due()
        phone.bridge.interrupt()
        phone.bridge.player.run_due()
        frames += answered(phone, said("close", 4, reason="end"))[-2:]

    assert ["opened", "pong", "updated", "closed"] == [f["type"] for f in frames]
    sent = [json.loads(m) for m in phone.carrier.messages if isinstance(m, str)]
    assert [1, 2, 3, 4, 5] == [frame["seq"] for frame in sent]
    assert [1, 2, 3, 3, 4] == [frame["clientseq"] for frame in sent]
    assert {"s1"} == {frame["id"] for frame in sent}
    assert ["end"] == phone.ends


def test_who_calls_and_what_the_flow_has_passed_on_are_known() -> None:
    """The numbers, and the variables of the flow, which have the last word."""
    with Deaf() as phone:
        answered(phone, opening(inputVariables={"tier": "gold", "dnis": "sales"}))

        expected = {"ani": "+1415", "aniName": "Ann", "dnis": "sales", "tier": "gold"}
        assert expected == phone.bridge.parameters
        assert ("s1", "c1") == (phone.bridge.stream_id, phone.bridge.call_id)


@pytest.mark.parametrize(
    "media",
    [
        [],
        None,
        "PCMU",
        [{**MU_LAW, "format": "L16"}],
        [{**MU_LAW, "channels": ["external", "internal"]}],
        [{**MU_LAW, "channels": ["internal"]}],
        [{**MU_LAW, "rate": 16_000}],
        [None, 5, {}],
    ],
)
def test_what_is_not_spoken_here_is_refused_by_its_name(media: Any) -> None:
    """On both sides: Genesys is told, and the program."""
    with Deaf() as phone:
        with pytest.raises(RemoteProtocolError, match="PCMU"):
            phone.bridge.receive(opening(media=media))
        (refused,) = answered(phone) or [json.loads(phone.carrier.messages[0])]

    assert "disconnect" == refused["type"]
    assert "error" == refused["parameters"]["reason"]
    assert not phone.bridge.started.is_set()


def test_of_several_offers_the_caller_alone_is_chosen() -> None:
    """Two channels at once would be noise."""
    both = {**MU_LAW, "channels": ["external", "internal"]}
    with Deaf() as phone:
        (opened,) = answered(phone, opening(media=[both, MU_LAW]))

        assert [MU_LAW] == opened["parameters"]["media"]


def test_a_connection_that_only_tries_whether_somebody_answers_is_no_call() -> None:
    """It is told that all is well, and greeted by nobody."""
    started: list[Any] = []
    with Deaf(on_start=started.append) as phone:
        frames = answered(
            phone,
            opening(conversationId=NOBODY),
            said("ping", 2),
            said("close", 3, reason="end"),
        )

    assert ["opened", "pong", "closed"] == [frame["type"] for frame in frames]
    assert [] == frames[0]["parameters"]["media"]
    assert [] == started
    assert ["end"] == phone.ends


def test_a_call_on_hold_is_not_talked_to() -> None:
    """Until it is taken up again."""
    with Phone(AUDIOHOOK) as phone:
        phone.dial(0.1)
        phone.bridge.receive(said("paused", 3))
        phone.say(1.0)
        phone.carrier.advance(0.5)
        held = phone.carrier.ear_ms
        phone.bridge.receive(said("resumed", 4, start="PT0S", discarded="PT1S"))
        phone.carrier.advance(2.0)

        assert 0.0 == held
        assert 1000 == pytest.approx(phone.carrier.ear_ms, abs=201)


def test_the_end_that_the_program_wants_is_a_dialogue_as_well() -> None:
    """Genesys closes, and waits for the answer, when the call is over here."""
    with Phone(AUDIOHOOK) as phone:
        phone.dial(0.1)
        phone.bridge.hang_up()
        phone.carrier.advance(0.1)
        words = [json.loads(m) for m in phone.carrier.messages if isinstance(m, str)]

    assert ["opened", "pong", "disconnect", "closed"] == [w["type"] for w in words]
    assert "completed" == words[2]["parameters"]["reason"]
    assert ["closed"] == phone.ends
    assert [] == phone.carrier.errors


def test_another_coding_of_ours_is_a_mistake() -> None:
    """Genesys takes sound as it sends it."""
    with Deaf(output=linear(8_000)) as phone:
        with pytest.raises(ConfigurationError, match="PCMU"):
            phone.bridge.receive(opening())


@pytest.mark.parametrize(
    "message",
    [
        "{}",
        json.dumps({"type": None}),
        json.dumps({"type": "discarded", "seq": "2"}),
        json.dumps({"type": "playback_completed", "seq": 5, "parameters": None}),
        json.dumps({"type": "error", "seq": 6, "parameters": {"code": 429}}),
        json.dumps({"type": "error"}),
        json.dumps({"type": "ping", "seq": None}),
        json.dumps({"type": "close", "seq": True, "parameters": {"reason": 5}}),
    ],
)
def test_a_message_that_is_odd_ends_no_call_in_an_error(message: str) -> None:
    """What is not known is ignored, what lacks something is read without it."""
    with Deaf() as phone:
        phone.bridge.receive(opening())
        phone.bridge.receive(message)

        assert phone.bridge.started.is_set()


@pytest.mark.parametrize("message", ["[]", "no", '{"type": "dtmf"}', '{"type":"open"}'])
def test_a_message_that_is_none_is_refused(message: str) -> None:
    """By an error of the protocol."""
    with Deaf() as phone:
        with pytest.raises(RemoteProtocolError):
            phone.bridge.receive(message)
