"""
Handlers: `on`, `once`, `off`, and the subscriptions they make.

A `Router` is a set of handlers, live: what is registered later reaches the
sessions that use it already. Mistakes are found here, at the user's line.
"""

from __future__ import annotations

import contextvars
import inspect
import sys
from collections.abc import Callable
from threading import Lock
from typing import Any, Optional, TypeVar, Union, overload
from weakref import WeakSet

from .event_names import resolve
from .signals import SignalBoard, next_stamp
from .types import Handler, Predicate

F = TypeVar("F", bound=Callable[..., Any])
E = TypeVar("E")

_MARK = "__realtime_sync_on__"


class Subscription:
    """
    One registration of one handler for one event.

    Usable as a context manager, which cancels it at the end.

    Attributes:
        key: canonical event type or pattern.
        handler: the function.
        inline: whether it runs on the reader thread.
    """

    def __init__(
        self,
        router: Router,
        key: str,
        handler: Handler,
        *,
        event_class: Optional[type],
        inline: bool,
        where: Optional[Predicate],
        once: bool,
        context: Optional[contextvars.Context],
    ) -> None:
        self.key = key
        self.handler = handler
        self.inline = inline
        self.stamp = next_stamp()
        self.cell = running_cell()
        self._router = router
        self._event_class = event_class
        self._where = where
        self._once = once
        self._context = context
        self._wants_ctx = wants_context(handler)
        # Guards `_active`, so that a `once` handler runs once.
        self._lock = Lock()
        self._active = True

    @property
    def name(self) -> str:
        """Qualified name of the handler, for logs."""
        return handler_name(self.handler)

    @property
    def active(self) -> bool:
        """Whether the handler is still called."""
        return self._active

    def cancel(self) -> None:
        """Stop calling the handler. From any thread, also from the handler."""
        self._claim()
        self._router._forget(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Subscription {self.key!r} -> {self.name}>"

    def __call__(self, sender: Any, *, event: Any, ctx: Any) -> None:
        """Deliver one event; the form in which blinker calls receivers."""
        if not self._active:
            return
        if self._event_class is not None and not isinstance(event, self._event_class):
            return
        context = self._context or getattr(sender, "_handler_context", None)
        if context is None:
            self._run(event, ctx)
        else:
            context.copy().run(self._run, event, ctx)

    def _run(self, event: Any, ctx: Any) -> None:
        if self._where is not None and not self._where(event):
            return
        if self._once:
            if not self._claim():
                return
            self._router._forget(self)
        if self._wants_ctx:
            self.handler(event, ctx.for_subscription(self))
        else:
            self.handler(event)

    def _claim(self) -> bool:
        with self._lock:
            active, self._active = self._active, False
            return active


class Router:
    """
    A set of handlers that any number of sessions can use.

    All methods may be called from any thread.

    Args:
        name: shows in the repr.
    """

    def __init__(self, name: Optional[str] = None) -> None:
        self.name = name
        # Guards both collections; signals are connected outside of it.
        self._lock = Lock()
        self._subscriptions: list[Subscription] = []
        self._boards: WeakSet[SignalBoard] = WeakSet()
        self._keeps_context = False

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<Router{label}, {len(self._subscriptions)} handlers>"

    @overload
    def on(
        self,
        event: type[E],
        /,
        *,
        inline: bool = ...,
        where: Optional[Callable[[E], Any]] = ...,
        unknown: bool = ...,
    ) -> Callable[[EventHandler[E]], EventHandler[E]]: ...

    @overload
    def on(
        self,
        event: str,
        /,
        *,
        inline: bool = ...,
        where: Optional[Predicate] = ...,
        unknown: bool = ...,
    ) -> Callable[[F], F]: ...

    @overload
    def on(
        self,
        event: type[E],
        handler: EventHandler[E],
        /,
        *,
        inline: bool = ...,
        where: Optional[Callable[[E], Any]] = ...,
        unknown: bool = ...,
    ) -> Subscription: ...

    @overload
    def on(
        self,
        event: str,
        handler: Handler,
        /,
        *,
        inline: bool = ...,
        where: Optional[Predicate] = ...,
        unknown: bool = ...,
    ) -> Subscription: ...

    def on(
        self,
        event: Any,
        handler: Optional[Handler] = None,
        /,
        *,
        inline: bool = False,
        where: Optional[Predicate] = None,
        unknown: bool = False,
    ) -> Any:
        """
        Register a handler, as a decorator or by a call.

        Args:
            event: a type in either spelling, an event class, a prefix pattern
                (``"response.*"``) or ``"*"`` for every server event.
            handler: called with ``(event)``, or with ``(event, ctx)`` if it has
                a second required positional parameter or one named ``ctx``.
                Without it, a decorator is returned.
            inline: run on the reader thread, ahead of queued deliveries; must
                be quick and must not wait.
            where: called with the event, in the handler's thread; the handler
                runs only if the result is true.
            unknown: allow a name that the protocol does not have.

        Returns:
            The decorator, which gives back the function unchanged, or the
            `Subscription` of the call form.

        Raises:
            ConfigurationError: no known event has that name.
            TypeError: the handler is a coroutine function or cannot take one
                argument.
        """
        return self._register(
            event, handler, inline=inline, where=where, unknown=unknown, once=False
        )

    def once(
        self,
        event: Any,
        handler: Optional[Handler] = None,
        /,
        *,
        inline: bool = False,
        where: Optional[Predicate] = None,
        unknown: bool = False,
    ) -> Any:
        """
        Like `on`, for the first event that matches.
        """
        return self._register(
            event, handler, inline=inline, where=where, unknown=unknown, once=True
        )

    def off(self, *what: Any) -> int:
        """
        Remove handlers: ``off(handler)``, ``off(event)``, ``off(event, handler)``.

        Returns:
            How many registrations were removed.
        """
        keys = [resolve(w, unknown=True)[0] for w in what if _is_event(w)]
        handlers = [w for w in what if not _is_event(w)]
        with self._lock:
            hits = [
                sub
                for sub in self._subscriptions
                if (not keys or sub.key in keys)
                and (not handlers or sub.handler in handlers)
            ]
        for sub in hits:
            sub.cancel()
        return len(hits)

    def handlers(self) -> tuple[Subscription, ...]:
        """
        The registrations, in order.
        """
        with self._lock:
            return tuple(self._subscriptions)

    def add(self, instance: Any) -> tuple[Subscription, ...]:
        """
        Register the methods that were marked with `on` in a class body.

        Args:
            instance: object whose bound methods become handlers.
        """
        added = []
        for name in dir(type(instance)):
            for event, options in getattr(getattr(type(instance), name), _MARK, ()):
                method = getattr(instance, name)
                added.append(self._add(event, method, **options))
        return tuple(added)

    def _register(self, event: Any, handler: Optional[Handler], **options: Any) -> Any:
        resolve(event, unknown=options["unknown"])
        if handler is not None:
            return self._add(event, handler, **options)

        def decorate(function: F) -> F:
            if _in_class_body(sys._getframe(1)):
                _refuse_coroutine(function)
                marks = getattr(function, _MARK, ())
                setattr(function, _MARK, (*marks, (event, options)))
            else:
                self._add(event, function, **options)
            return function

        return decorate

    def _add(
        self,
        event: Any,
        handler: Handler,
        *,
        inline: bool,
        where: Optional[Predicate],
        unknown: bool,
        once: bool,
    ) -> Subscription:
        key, event_class = resolve(event, unknown=unknown)
        sub = Subscription(
            self,
            key,
            handler,
            event_class=event_class,
            inline=inline,
            where=where,
            once=once,
            context=contextvars.copy_context() if self._keeps_context else None,
        )
        with self._lock:
            replaced = [old for old in self._subscriptions if _replaces(sub, old)]
            self._subscriptions.append(sub)
            boards = list(self._boards)
        for old in replaced:
            old.cancel()
        for board in boards:
            board.signal(key).connect(sub)
        return sub

    def _attach(self, board: SignalBoard) -> None:
        with self._lock:
            self._boards.add(board)
            subscriptions = list(self._subscriptions)
        for sub in subscriptions:
            board.signal(sub.key).connect(sub)
            if not sub.active:
                board.signal(sub.key).disconnect(sub)

    def _detach(self, board: SignalBoard) -> None:
        with self._lock:
            self._boards.discard(board)

    def _forget(self, sub: Subscription) -> None:
        with self._lock:
            if sub in self._subscriptions:
                self._subscriptions.remove(sub)
            boards = list(self._boards)
        for board in boards:
            board.signal(sub.key).disconnect(sub)


EventHandler = Union[Callable[[E], Any], Callable[[E, Any], Any]]
"""A handler for one event class, with or without a context."""


default_router = Router("default")
"""What the module-level `on` registers with."""

on = default_router.on


def wants_context(handler: Handler) -> bool:
    """
    Whether a handler takes ``(event, ctx)``.

    Raises:
        TypeError: it is a coroutine function, not callable, or cannot be called
            with one argument.
    """
    if not callable(handler):
        raise TypeError(f"a handler must be callable, not {type(handler).__name__}")
    _refuse_coroutine(handler)
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return False  # Built into the interpreter; it gets the event.
    if "ctx" in signature.parameters:
        return True
    positional = [
        p
        for p in signature.parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    required = [p for p in positional if p.default is p.empty]
    wants = len(required) >= 2
    try:
        signature.bind(*(None, None) if wants else (None,))
    except TypeError:
        raise TypeError(
            f"handler {handler_name(handler)}{signature} cannot be called with "
            "(event) or (event, ctx)"
        ) from None
    return wants


def handler_name(handler: Any) -> str:
    """
    Module and qualified name of a handler, for logs.
    """
    while hasattr(handler, "func"):
        handler = handler.func
    qualname = getattr(handler, "__qualname__", None)
    if qualname is None:
        return repr(handler)
    return f"{getattr(handler, '__module__', '?')}.{qualname}"


def running_cell() -> Optional[int]:
    """
    Number of the notebook cell that runs, or None outside of IPython.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return None if shell is None else int(shell.execution_count)


def _replaces(new: Subscription, old: Subscription) -> bool:
    """
    Whether a registration is the re-run of an earlier cell's.
    """
    if new.cell is None or old.cell is None or new.cell == old.cell:
        return False
    name = getattr(new.handler, "__qualname__", None)
    if name is None or "<lambda>" in name or "<locals>" in name:
        return False
    return (new.key, new.name) == (old.key, old.name)


def _refuse_coroutine(handler: Any) -> None:
    function = handler
    while hasattr(function, "func"):
        function = function.func
    call = getattr(type(function), "__call__", None)
    for candidate in (function, call):
        if inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(
            candidate
        ):
            raise TypeError(
                f"handler {handler_name(handler)} is a coroutine function; "
                "handlers are plain functions, called in a thread"
            )


def _in_class_body(frame: Any) -> bool:
    names = frame.f_locals
    return "__module__" in names and "__qualname__" in names


def _is_event(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, type) and hasattr(value, "type")
