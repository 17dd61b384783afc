"""The files that pages are made of."""

from __future__ import annotations

from importlib.resources import files


def static_text(name: str) -> str:
    """
    The text of a file that pages are made of.

    Args:
        name: such as ``talk.js``.
    """
    return files(f"{__package__}.static").joinpath(name).read_text(encoding="utf-8")
