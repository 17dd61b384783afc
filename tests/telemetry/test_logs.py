"""Logs without keys and audio."""

from __future__ import annotations

import base64
import io
import logging

from realtime_sync.telemetry import RedactingFilter, without_secrets

KEY = "sk-proj-abcdefghijklmnop"


def logged(*arguments: object, **options: object) -> str:
    """What a handler with the filter writes of a record."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(RedactingFilter())
    log = logging.Logger("any.where")
    log.addHandler(handler)
    log.warning(*arguments, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_keys_are_taken_out_of_messages_and_arguments() -> None:
    """Whether the key is in the format or in an argument of it."""
    assert "using <secret>\n" == logged("using %s", KEY)
    assert "using <secret>\n" == logged(f"using {KEY}")


def test_keys_are_taken_out_of_tracebacks() -> None:
    """An exception of another library may have the whole header in its text."""
    try:
        raise ValueError(f"Authorization: Bearer {KEY}")
    except ValueError:
        text = logged("failed", exc_info=True)

    assert "Traceback" in text
    assert KEY not in text


def test_audio_is_replaced_by_its_length() -> None:
    """A log line with a whole event in it stays a line."""
    audio = base64.b64encode(bytes(4800)).decode("ascii")

    assert '{"delta": "<4800 bytes>"}' == without_secrets(f'{{"delta": "{audio}"}}')


def test_harmless_records_are_left_as_they_are() -> None:
    """Arguments stay arguments, for handlers that group by the format."""
    record = logging.LogRecord("n", 20, "p", 1, "%d of %d", (1, 2), None)

    assert RedactingFilter().filter(record)
    assert (1, 2) == record.args
