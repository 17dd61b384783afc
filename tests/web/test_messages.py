"""What a page and this process tell each other."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_sync.web.messages import decoded_web_message, encoded_web_message


@pytest.mark.parametrize(
    ("message", "sound"),
    [
        ({"kind": "state"}, b""),
        ({"kind": "sound", "position": 4800}, bytes(range(256))),
        ({"kind": "lines", "text": "Grüße 👋\u2028\x00"}, b"\x00"),
        ({}, b"\xff" * 3),
    ],
)
def test_message_comes_as_it_was_sent(message: dict[str, Any], sound: bytes) -> None:
    """Text of any language, and bytes that mean nothing here."""
    assert (message, sound) == decoded_web_message(encoded_web_message(message, sound))


def test_message_of_text_has_no_sound() -> None:
    """What a page sends without bytes needs no frame of its own."""
    assert ({"kind": "mute", "on": True}, b"") == decoded_web_message(
        '{"kind":"mute","on":true}'
    )


def test_half_a_character_does_not_stop_what_is_said() -> None:
    """A server may cut a text where it likes."""
    assert ({"text": "a?"}, b"") == decoded_web_message(
        encoded_web_message({"text": "a\ud83d"})
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\x00\x00\x00{}",
        b"\xff\xff\xff\xff{}",
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00\xff\xff",
        "",
        "null",
        "[1]",
        "[" * 100_000,
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_message_is_refused(data: bytes | str) -> None:
    """One error for all of it, so that one place refuses it."""
    with pytest.raises(ValueError):
        decoded_web_message(data)
