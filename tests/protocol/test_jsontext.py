"""JSON decoded alike by both libraries."""

from __future__ import annotations

import math
from typing import Any

import pytest

from realtime_sync.protocol import jsontext
from realtime_sync.protocol.jsontext import (
    MAX_DEPTH,
    check_depth,
    standard_dumps,
    standard_loads,
)

REFUSED = [
    b"",
    b"nonsense",
    b'{"a":1',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\x00}\x00",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 400,
    b"9" * 5000,
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'{"a":["\\uDFFF"]}',
    b"[" * 1025 + b"]" * 1025,
    b"[" * 100_000,
    b"\x0c{}",
    b"01",
    "\ud800",
    '{"a":"\ud800"}',
]
"""What neither accepts."""

ACCEPTED: list[tuple[Any, Any]] = [
    (b" {} ", {}),
    ("{}", {}),
    (bytearray(b"[]"), []),
    (memoryview(b"1"), 1),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
    (b'"\\\\ud800"', "\\ud800"),
    (b"18446744073709551615", 2**64 - 1),
    (b"-9223372036854775808", -(2**63)),
    (b"18446744073709551616", float(2**64)),
    (b"123456789012345678901234567890", 123456789012345678901234567890.0),
    (b"-0", 0),
    (b"1e-400", 0.0),
    (b'{"a":1,"a":2}', {"a": 2}),
    (b"[" * 300 + b"]" * 300, None),
    (b'["' + b"[" * 2000 + b'"]', ["[" * 2000]),
    (b"[" + b"{}," * 2000 + b"{}]", [{}] * 2001),
]
"""What both accept, and what it is; None where the two need only agree."""


@pytest.mark.parametrize("data", REFUSED, ids=range(len(REFUSED)))
def test_both_refuse_the_same(data: Any) -> None:
    """With a ValueError, whatever is wrong."""
    for loads in (jsontext.loads, standard_loads):
        with pytest.raises(ValueError):
            loads(data)


@pytest.mark.parametrize(("data", "value"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_both_read_the_same(data: Any, value: Any) -> None:
    """Integers beyond 64 bits become floats."""
    fast, plain = jsontext.loads(data), standard_loads(data)

    assert fast == plain
    assert type(fast) is type(plain)
    assert value is None or fast == value


def test_nesting_that_exhausts_the_stack_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the interpreter gives up earlier than orjson does."""
    monkeypatch.setattr(jsontext, "DECODABLE_DEPTH", 10**9)

    with pytest.raises(ValueError, match="deep"):
        standard_loads(b"[" * 500_000)


def test_the_standard_library_writes_what_orjson_writes() -> None:
    """Compact, in UTF-8; what is not a number is refused."""
    value = {"a": [1, "\u00e9", None], "b": 0.5}

    assert jsontext.dumps(value) == standard_dumps(value)
    with pytest.raises(ValueError):
        standard_dumps(math.nan)


@pytest.mark.parametrize(
    "data, value",
    [
        ('["\\ud83d\\ude00"]', "\U0001f600"),
        ('["\\ud83d"]', "\ufffd"),
        (b'["a\\ude00b"]', "a\ufffdb"),
        ('["\\\\ud83d \\ud83d"]', "\\ud83d \ufffd"),
    ],
)
def test_halves_of_pairs_are_replaced_where_that_is_wanted(
    data: Any, value: str
) -> None:
    """Whole pairs, and what only looks like half of one, stay."""
    assert [value] == jsontext.loads_with_lone_surrogates(data)


@pytest.mark.parametrize("data", ["[", b'["\xff"]', '["\\ud83d"'])
def test_what_is_no_json_is_refused_all_the_same(data: Any) -> None:
    """With half of a pair in it or without."""
    with pytest.raises(ValueError):
        jsontext.loads_with_lone_surrogates(data)


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("1", 0),
        ('"[[["', 0),
        ("[]", 1),
        ("[[],[],[]]", 2),
        ('{"a":[{"b":1}]}', 3),
        ('["]]]",[{}]]', 3),
        ('["\\"[[[",[]]', 2),
        ('["\\\\",[[]]]', 3),
        ('[["\u00e9\ud83d"]]', 2),
        ('[["never closed [[[', 2),
    ],
)
@pytest.mark.parametrize("kind", [str, bytes, bytearray, memoryview])
def test_depth_is_counted_outside_of_texts(text: str, depth: int, kind: Any) -> None:
    """Whatever they hold, and also where they are cut."""
    raw = text.encode("utf-8", "surrogatepass")
    data = text if kind is str else kind(raw)

    check_depth(data, depth)
    if depth:
        with pytest.raises(ValueError, match=f"nested deeper than {depth - 1}"):
            check_depth(data, depth - 1)


def test_a_frame_may_be_as_deep_as_no_proper_one_is() -> None:
    """One bound for all, unless whoever asks has another."""
    check_depth(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(ValueError, match=f"nested deeper than {MAX_DEPTH}"):
        check_depth(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
