"""Frames that are wrong in some place, and what must be right all the same."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.protocol.specimens import Specimen, said_by

Path = tuple[Any, ...]

ODDITIES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7.5,
    1e300,
    2**70,
    "",
    "odd",
    "0",
    [],
    [None],
    [{}],
    {},
    {"odd": "odd"},
    {"type": ["odd"]},
    {"type": 1, "role": {}},
)
"""Values that are put where they may not belong."""

ACTIONS = ("drop", "null", "replace", "add")


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a frame, the event type excepted."""
    if isinstance(value, dict):
        for name, each in value.items():
            if (*path, name) != ("type",):
                yield (*path, name)
                yield from paths(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield (*path, index)
            yield from paths(each, (*path, index))


@st.composite
def mutants(draw: Any, direction: str) -> tuple[Specimen, Any, list[Path]]:
    """A specimen, its frame with one to three mutations, and where they are."""
    specimen = draw(st.sampled_from(said_by(direction)))
    frame = specimen.frame
    touched: list[Path] = []
    for _ in range(draw(st.integers(1, 3))):
        places = list(paths(frame))
        if places:
            path = places[draw(st.integers(0, len(places) - 1))]
            odd = deepcopy(draw(st.sampled_from(ODDITIES)))
            touched.append(mutate(frame, path, draw(st.sampled_from(ACTIONS)), odd))
    return specimen, frame, touched


def mutate(frame: Any, path: Path, action: str, odd: Any) -> Path:
    """Change a frame in one place, and say which."""
    holder = frame
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if action == "add":
        return add(holder, path, odd)
    if action == "drop":
        del holder[last]
        if isinstance(holder, list):
            return path[:-1]  # what follows has moved
    else:
        holder[last] = None if action == "null" else odd
    return path


def add(holder: Any, path: Path, odd: Any) -> Path:
    """Put something beside a place."""
    if isinstance(holder, dict):
        holder["x_odd"] = odd
        return (*path[:-1], "x_odd")
    holder.append(odd)
    return (*path[:-1], len(holder) - 1)


def lost(given: Any, kept: Any, touched: list[Path], path: Path = ()) -> Iterator[str]:
    """
    Yield every place that was not touched and that did not come through.

    Elements of a list are compared in order, because a touched one may be
    missing afterwards.
    """
    if path in touched:
        return
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, each in given.items():
            yield from lost(each, kept.get(name, "<gone>"), touched, (*path, name))
    elif isinstance(given, list) and isinstance(kept, list):
        yield from lost_elements(given, kept, touched, path)
    elif given != kept:
        yield f"{path}: {given!r} became {kept!r}"


def lost_elements(
    given: list[Any], kept: list[Any], touched: list[Path], path: Path
) -> Iterator[str]:
    """Yield what was lost of a list."""
    if not any(each[:-1] == path for each in touched):
        if len(given) != len(kept):
            yield f"{path}: {len(given)} elements became {len(kept)}"
        for index, pair in enumerate(zip(given, kept)):
            yield from lost(*pair, touched, (*path, index))
        return
    rest = iter(kept)
    for index, each in enumerate(given):
        inside = (*path, index)
        clean = not any(place[: len(inside)] == inside for place in touched)
        dropped = any(place[:-1] == path for place in touched if place not in [inside])
        if clean and not dropped and not any(each == other for other in rest):
            yield f"{inside}: gone"
