"""Audio as base64, with and without the modules of the speed extra."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Union

import pytest

from realtime_sync.protocol import base64_audio


@pytest.mark.parametrize(
    "text", ["", "AAA=", "AAAA", "AAA", "AA", "AAAA\n", "A", "AAA*", "\u00e4", "=AAA"]
)
def test_base64_is_decoded_alike_with_and_without_the_speed_extra(text: str) -> None:
    """The fast way gives what the standard library gives, errors included."""

    def outcome(way: Callable[[str], bytes]) -> Union[bytes, str]:
        try:
            return way(text)
        except ValueError:
            return "refused"

    assert outcome(base64_audio.decode_audio_leniently) == outcome(
        base64_audio.decode_audio
    )


def test_without_the_speed_extra_the_standard_library_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The module is loaded once more, where pybase64 cannot be imported."""
    monkeypatch.setitem(sys.modules, "pybase64", None)
    spec = importlib.util.spec_from_file_location(
        "realtime_sync.protocol._without_speed", base64_audio.__file__
    )
    assert spec is not None and spec.loader is not None
    slow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slow)

    assert b"\0\1\2" == slow.decode_audio("AAEC")
    assert b"\0" == slow.decode_audio("AA")
    assert "AAEC" == slow.encode_audio(b"\0\1\2")
    with pytest.raises(ValueError, match="worth"):
        slow.decode_audio_strictly("AAEC")
