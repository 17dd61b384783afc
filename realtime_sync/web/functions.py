"""The functions that a program gives its pages, looked at where it gives them."""

from __future__ import annotations

import inspect
from typing import Any


def check_page_function(name: str, function: Any, *arguments: str) -> None:
    """
    Refuse what a page could not call: nobody would learn of it but who looks at it.

    Args:
        name: what it is given as.
        function: that is called.
        arguments: what it is called with, in words.

    Raises:
        TypeError: it is none, a coroutine function or a generator, or it takes
            something else.
    """
    called = f"{name} is called with {', '.join(arguments) or 'nothing'}"
    if not callable(function):
        raise TypeError(f"{called}, and {function!r} cannot be called")
    for each in (function, getattr(function, "__call__", None)):
        if (
            inspect.iscoroutinefunction(each)
            or inspect.isgeneratorfunction(each)
            or inspect.isasyncgenfunction(each)
        ):
            raise TypeError(f"{name} is a plain function, and not {function!r}")
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as exc:
        raise TypeError(f"{called}: {exc}") from None
    except ValueError:
        pass  # A builtin, which does not say what it takes.
