"""
How objects show themselves in a notebook: by a layer that is loaded when asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def shown_as(kind: str) -> Callable[[Any], str]:
    """
    A ``_repr_html_`` for a class.

    Args:
        kind: what it is, as `realtime_sync.jupyter` calls it.
    """

    def _repr_html_(self: Any) -> str:
        from ..jupyter import html_of

        return html_of(kind, self)

    return _repr_html_
