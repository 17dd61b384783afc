"""Outputs of a cell that threads may change later."""

from __future__ import annotations

import contextvars
from typing import Any

from ..errors import ConfigurationError, install_command


class DisplayOutput:
    """
    One output, of the cell that made it.

    It may be changed from any thread. A change never appears as an output of
    another cell, whichever is running.

    Args:
        data: what to show first, by MIME type.

    Raises:
        ConfigurationError: IPython is not installed.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        try:
            from IPython import display as shown
        except ImportError as exc:
            raise ConfigurationError(
                "IPython is needed for output in a notebook; "
                f"install it with {install_command('jupyter')}"
            ) from exc
        display: Any = shown.display
        self._handle = display(data, raw=True, display_id=True)

    def update(self, data: dict[str, Any]) -> None:
        """Replace what is shown."""
        if self._handle is None:  # not under IPython
            return
        # In a context of its own: a handler's context names the cell that
        # registered it, and programs that run notebooks drop what comes for a cell
        # that has ended. What is updated is found by its id, not by the cell.
        contextvars.Context().run(self._handle.update, data, raw=True)


def html(text: str, plain: str = "") -> dict[str, Any]:
    """HTML by MIME type, with text for front ends that show none."""
    return {"text/html": text, "text/plain": plain}
