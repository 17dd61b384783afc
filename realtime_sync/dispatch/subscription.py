"""
One registration of one handler: what it is called with, and whether it may be.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import sys
from collections.abc import Callable
from threading import Lock
from types import FunctionType
from typing import Literal, Optional, Protocol

from ..state.snapshot import Snapshot
from ..types import Handler, Predicate
from .notices import Published
from .signals import next_signal_stamp

Style = Literal["event", "positional", "keyword"]
"""How a handler gets its context: not at all, or as what kind of argument."""


class SubscriptionContextual(Protocol):
    """
    For whom handlers are called: the session.

    Attributes:
        handler_context: what handlers run in a copy of; None for no context.
    """

    handler_context: Optional[contextvars.Context]

    @property
    def snapshot(self) -> Snapshot:
        """The conversation as the server has confirmed it."""


class SharedSubscriptionContext(Protocol):
    """What the handlers of one event are given, each a copy of its own."""

    def for_subscription(self, subscription: Subscription) -> object:
        """The copy for one registration."""


class Subscription:
    """
    One registration of one handler for one event.

    Usable as a context manager, which cancels it at the end.

    Args:
        forget: called with this when the handler is not to be called any more.

    Attributes:
        key: canonical event type or pattern.
        handler: the function.
        inline: whether it runs on the loop.
        plain: it wants every event there is and nothing beside it, so that
            `tell` will do.
    """

    def __init__(
        self,
        forget: Callable[[Subscription], None],
        key: str,
        handler: Handler,
        *,
        event_class: Optional[type],
        inline: bool,
        where: Optional[Predicate],
        once: bool,
        unknown: bool,
        context: Optional[contextvars.Context],
    ) -> None:
        self.key = key
        self.handler = handler
        self.inline = inline
        self.stamp = next_signal_stamp()
        self.cell = running_cell_of_subscription()
        self._forget = forget
        self._event_class = event_class
        self._where = where
        self._once = once
        # A pattern is registered for events whose classes the handler knows.
        self._skips_unknown = not unknown and key.endswith(".*")
        self._context = context
        self._style = subscription_call_style(handler)
        self.looks_at_context = self._style != "event"
        self.plain = not (
            self.looks_at_context
            or event_class is not None
            or where is not None
            or once
            or self._skips_unknown
        )
        # Guards `_active`, so that a `once` handler runs once.
        self._lock = Lock()
        self._active = True
        self.calls = 0

    @property
    def name(self) -> str:
        """Qualified name of the handler, for logs."""
        return subscription_handler_name(self.handler)

    @property
    def active(self) -> bool:
        """Whether the handler is still called."""
        return self._active

    def cancel(self) -> None:
        """Stop calling the handler. From any thread, also from the handler."""
        # First of all: a delivery that is under way has this in its list already, and
        # must find it cancelled before the signals have let go of it.
        self._claim()
        self._forget(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Subscription {self.key!r} -> {self.name}>"

    def __call__(
        self, sender: object, *, event: Published, ctx: SharedSubscriptionContext
    ) -> None:
        """Deliver one event; the form in which blinker calls receivers."""
        if not self._active:
            return
        if self._event_class is not None and not isinstance(event, self._event_class):
            return
        if self._skips_unknown and isinstance(event, _unknown_event_for_subscription()):
            return
        context = self._context
        if context is None:  # An empty one is false, and still one.
            context = getattr(sender, "handler_context", None)
        if context is None:
            self._run(event, ctx)
        else:
            context.copy().run(self._run, event, ctx)

    def tell(self, sender: SubscriptionContextual, event: Published) -> None:
        """Deliver one event, the short way of ``__call__`` where it is `plain`."""
        if not self._active:
            return
        context = self._context
        if context is None:
            context = sender.handler_context
        # Counted right before the call: no signal is looked for in between, so who is
        # interrupted can tell whether the handler has been entered.
        if context is None:
            self.calls += 1
            self.handler(event)
        else:
            run = context.copy().run
            self.calls += 1
            run(self.handler, event)

    def _run(self, event: Published, ctx: SharedSubscriptionContext) -> None:
        if self._where is not None and not self._where(event):
            return
        if self._once:
            if not self._claim():
                return
            self._forget(self)
        if self._style == "event":
            self.calls += 1
            self.handler(event)
            return
        own = ctx.for_subscription(self)
        self.calls += 1
        if self._style == "positional":
            self.handler(event, own)
        else:
            self.handler(event, ctx=own)

    def replaces(self, old: Subscription) -> bool:
        """
        Whether this is what an earlier run of the same lines registered: a notebook
        cell that is run again, or a script that its host runs again in one process.
        """
        if (self.key, self.name) != (old.key, old.name):
            return False
        name = getattr(self.handler, "__qualname__", None)
        if name is None or "<lambda>" in name or "<locals>" in name:
            return False
        if self.cell is not None and old.cell is not None:
            return self.cell != old.cell
        return subscription_ran_again(self.handler, old.handler)

    def _claim(self) -> bool:
        with self._lock:
            active, self._active = self._active, False
            return active


def subscription_call_style(handler: Handler) -> Style:
    """
    How to call a handler.

    Raises:
        TypeError: it is a coroutine or generator function, not callable, or
            cannot be called with (event) or (event, ctx).
    """
    if not callable(handler):
        raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
    _refuse_coroutine_subscription(handler)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return "event"  # Built into the interpreter; it gets the event.
    return _style_of_subscription(signature, handler)


def check_subscription_predicate(where: object) -> None:
    """
    Raises:
        TypeError: it is no predicate for ``where``, nor None.
    """
    if where is not None and not callable(where):
        raise TypeError(f"where must be callable, not {where!r}")


def check_subscription_method(function: Handler) -> None:
    """
    Check a function in a class body, as far as can be without an instance.

    Raises:
        TypeError: it is no handler, with ``self`` or without.
    """
    _refuse_coroutine_subscription(function)
    if not inspect.isfunction(function):
        subscription_call_style(function)
        return
    parameters = list(inspect.signature(function).parameters.values())
    first = parameters[0].name if parameters else ""
    if first not in ("self", "cls"):
        try:
            subscription_call_style(function)  # It may become a static method.
            return
        except TypeError:
            pass
    _style_of_subscription(inspect.Signature(parameters[1:]), function)


def subscription_handler_name(handler: object) -> str:
    """
    Module and qualified name of a handler, for logs.
    """
    handler = _subscription_without_partials(handler)
    qualname = getattr(handler, "__qualname__", None)
    if not isinstance(qualname, str):
        return repr(handler)
    return f"{getattr(handler, '__module__', '?')}.{qualname}"


def running_cell_of_subscription() -> Optional[int]:
    """
    Number of the notebook cell that runs, or None outside of IPython.
    """
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = None if get_ipython is None else get_ipython()
    return None if shell is None else int(shell.execution_count)


def subscription_ran_again(handler: object, old: object) -> bool:
    """
    Whether the lines that define a function have been run anew since an older one.

    Such a run has variables of its own, as a script has that Streamlit runs at every
    click. A module that is imported has its variables once.
    """
    new, was = (_function_of_subscription(each) for each in (handler, old))
    if new is None or was is None or new.__globals__ is was.__globals__:
        return False
    # Code without a file says nothing: many texts are called ``<string>``.
    file = new.__code__.co_filename
    return file == was.__code__.co_filename and not file.startswith("<")


def _function_of_subscription(handler: object) -> Optional[FunctionType]:
    """The function that a handler was made of in a file, decorators left out."""
    function = inspect.unwrap(getattr(handler, "__func__", handler))  # type: ignore
    return function if isinstance(function, FunctionType) else None


def _style_of_subscription(signature: inspect.Signature, handler: Handler) -> Style:
    parameters = list(signature.parameters.values())
    positional = [
        p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    second = positional[1] if len(positional) > 1 else None
    style: Style = "event"
    if second is not None and (second.default is second.empty or second.name == "ctx"):
        style = "positional"
    elif "ctx" in signature.parameters:
        style = "keyword"
    try:
        if style == "keyword":
            signature.bind(None, ctx=None)
        else:
            signature.bind(*(None,) * (2 if style == "positional" else 1))
    except TypeError:
        raise TypeError(
            f"handler {subscription_handler_name(handler)}{signature} cannot be called "
            "with (event) or (event, ctx)"
        ) from None
    return style


def _subscription_without_partials(handler: object) -> object:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return handler


def _refuse_coroutine_subscription(handler: Handler) -> None:
    function = _subscription_without_partials(handler)
    for candidate in (function, getattr(type(function), "__call__", None)):
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(
            candidate
        ):
            raise TypeError(
                f"handler {subscription_handler_name(handler)} is a coroutine "
                "function; handlers are plain functions, called in a thread"
            )
        if inspect.isgeneratorfunction(candidate):
            raise TypeError(
                f"handler {subscription_handler_name(handler)} has a yield in it, so "
                "that calling it would run nothing"
            )


@functools.lru_cache(maxsize=1)
def _unknown_event_for_subscription() -> type:
    from ..protocol.events import UnknownEvent

    return UnknownEvent
