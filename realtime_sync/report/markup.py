"""HTML that is escaped by construction."""

from __future__ import annotations

from html import escape
from typing import Any, Union

from ..protocol.escape import terminal_text

VOID = frozenset({"br", "meta", "circle", "line", "path", "rect"})
"""Elements without content."""


class Markup(str):
    """Text that is HTML already; any other text is escaped when it is put in."""

    def __repr__(self) -> str:
        return f"Markup({str(self)!r})"


Content = Union[str, int, float, None, "list[Any]", "tuple[Any, ...]"]


def element(tag: str, *content: Content, **attributes: object) -> Markup:
    """
    One element.

    Args:
        tag: its name.
        content: text, which is escaped; `Markup`, which is not; lists of these;
            None for nothing.
        attributes: ``class_`` is ``class``, ``data_x`` is ``data-x``. None and False
            leave one out, True gives it without a value.
    """
    opening = f"<{tag}{_markup_attributes(attributes)}>"
    if tag in VOID:
        closing = opening[:-1] + "/>"
        return Markup(closing)
    return Markup(f"{opening}{joined_markup(content)}</{tag}>")


def joined_markup(content: Content) -> Markup:
    """Content one after the other, escaped where it is text."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, (list, tuple)):
        return Markup("".join([joined_markup(each) for each in content]))
    return Markup(escape(terminal_text(str(content))))


def _markup_attributes(attributes: dict[str, object]) -> str:
    pieces = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        spelt = name.rstrip("_").replace("_", "-")
        if spelt == "viewbox":
            spelt = "viewBox"
        if value is True:
            pieces.append(f" {spelt}")
        else:
            pieces.append(f' {spelt}="{escape(terminal_text(str(value)))}"')
    return "".join(pieces)
