"""
Handlers: `on`, `once`, `off`.

A `Router` is a set of handlers, live: what is registered later reaches the
sessions that use it already. Mistakes are found here, at the user's line.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable, Iterator
from threading import RLock
from types import FrameType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Optional,
    TypedDict,
    TypeVar,
    Union,
    overload,
)
from weakref import WeakSet

from ..deadline import held_here
from ..types import Event, Handler, HandlerDecorator, Predicate
from .names import is_event_class_to_name, resolve_name
from .signals import SignalBoard
from .subscription import (
    Subscription,
    check_subscription_method,
    check_subscription_predicate,
)

if TYPE_CHECKING:
    from .event_names import EventName

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__realtime_sync_on__"


class _Options(TypedDict):
    """What is said of a registration beside its event and its handler."""

    inline: bool
    where: Optional[Predicate]
    unknown: bool
    once: bool


class Router:
    """
    A set of handlers that any number of sessions can use.

    All methods may be called from any thread.

    Args:
        name: shows in the repr.
        keeps_context: run each handler in the context that registered it.
        session_type: of the session that alone uses it; an event that such a
            session never has is refused. None for any number of sessions.
    """

    def __init__(
        self,
        name: Optional[str] = None,
        *,
        keeps_context: bool = False,
        session_type: Optional[str] = None,
    ) -> None:
        self.name = name
        self._session_type = session_type
        # Guards both collections; signals are connected outside of it. Re-entrant:
        # see `held_here`.
        self._lock = RLock()
        self._subscriptions: list[Subscription] = []
        self._boards: WeakSet[SignalBoard] = WeakSet()
        self._keeps_context = keeps_context

    def __repr__(self) -> str:
        label = f" {self.name!r}" if self.name else ""
        return f"<Router{label}, {len(self._subscriptions)} handlers>"

    @overload
    def on(
        self,
        event: type[Event],
        /,
        *,
        inline: bool = ...,
        where: Optional[Callable[[Event], Any]] = ...,
        unknown: bool = ...,
    ) -> HandlerDecorator[Event]: ...

    @overload
    def on(
        self,
        event: EventName,
        /,
        *,
        inline: bool = ...,
        where: Optional[Predicate] = ...,
        unknown: Literal[False] = ...,
    ) -> Callable[[F], F]: ...

    @overload
    def on(
        self,
        event: str,
        /,
        *,
        inline: bool = ...,
        where: Optional[Predicate] = ...,
        unknown: Literal[True],
    ) -> Callable[[F], F]: ...

    @overload
    def on(
        self,
        event: type[Event],
        handler: EventHandler[Event],
        /,
        *,
        inline: bool = ...,
        where: Optional[Callable[[Event], Any]] = ...,
        unknown: bool = ...,
    ) -> Subscription: ...

    @overload
    def on(
        self,
        event: EventName,
        handler: Handler,
        /,
        *,
        inline: bool = ...,
        where: Optional[Predicate] = ...,
        unknown: Literal[False] = ...,
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
        unknown: Literal[True],
    ) -> Subscription: ...

    def on(
        self,
        event: Union[type, str],
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
            inline: run on the loop, ahead of queued deliveries; must
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
            event,
            handler,
            _Options(inline=inline, where=where, unknown=unknown, once=False),
        )

    if TYPE_CHECKING:
        once = on  # What `on` takes, without its overloads a second time.
    else:

        def once(
            self,
            event: Union[type, str],
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
                event,
                handler,
                _Options(inline=inline, where=where, unknown=unknown, once=True),
            )

    def off(self, *what: Union[type, str, Handler]) -> int:
        """
        Remove handlers: ``off(handler)``, ``off(event)``, ``off(event, handler)``.

        Returns:
            How many registrations were removed.

        Raises:
            TypeError: nothing was given.
            ConfigurationError: there is no such event, and no handler for it.
        """
        if not what:
            raise TypeError("off() takes a handler, an event, or both")
        keys = [
            resolve_name(w, unknown=True)[0] for w in what if _is_event_for_router(w)
        ]
        handlers = [w for w in what if not _is_event_for_router(w)]
        with self._lock:
            hits = [
                sub
                for sub in self._subscriptions
                if (not keys or sub.key in keys)
                and (not handlers or sub.handler in handlers)
            ]
        # Not under the lock: cancelling takes it, and disconnects from every session.
        for sub in hits:
            sub.cancel()
        if not hits:
            for each in filter(_is_event_for_router, what):
                resolve_name(each)
        return len(hits)

    def handlers(self) -> tuple[Subscription, ...]:
        """
        The registrations, in order.
        """
        with self._lock:
            return tuple(self._subscriptions)

    def add(self, instance: object) -> tuple[Subscription, ...]:
        """
        Register the methods that were marked with `on` in a class body.

        Args:
            instance: object whose bound methods become handlers.
        """
        return tuple(
            self._add(event, getattr(instance, name), **options)
            for name, event, options in _methods_marked_for_router(type(instance))
        )

    def _register(
        self, event: Union[type, str], handler: Optional[Handler], options: _Options
    ) -> Any:
        kind = self._session_type
        resolve_name(event, unknown=options["unknown"], session_type=kind)
        check_subscription_predicate(options["where"])
        if handler is not None:
            return self._add(event, handler, **options)

        def decorate(function: F) -> F:
            if _is_router_in_class_body(sys._getframe(1)):
                marked = _function_for_router(function)
                check_subscription_method(marked)
                marks = getattr(marked, _MARK, ())
                setattr(marked, _MARK, (*marks, (event, options)))
            else:
                self._add(event, function, **options)
            return function

        return decorate

    def _add(
        self,
        event: Union[type, str],
        handler: Handler,
        *,
        inline: bool,
        where: Optional[Predicate],
        unknown: bool,
        once: bool,
    ) -> Subscription:
        key, event_class = resolve_name(event, unknown=unknown)
        sub = Subscription(
            self._forget,
            key,
            handler,
            event_class=event_class,
            inline=inline,
            where=where,
            once=once,
            unknown=unknown,
            context=contextvars.copy_context() if self._keeps_context else None,
        )
        with self._lock:
            # In one step against `attach`: a session that comes at this moment finds
            # the handler in the list, or is in `boards` below; were it neither, it
            # would never call the handler.
            replaced = [old for old in self._subscriptions if sub.replaces(old)]
            self._subscriptions.append(sub)
            boards = list(self._boards)
        # Not under the lock: cancelling takes it.
        for old in replaced:
            old.cancel()
        for board in boards:
            board.signal(key).connect(sub)
            board.warn_if_lacking(key)
        return sub

    def held_here(self) -> bool:
        """
        Whether the calling thread is inside of this, as one that a signal has
        interrupted there: the end of a session waits for it.
        """
        return held_here(self._lock)

    def attach(self, board: SignalBoard) -> None:
        """Call the handlers for a session, those registered later as well."""
        with self._lock:
            # In one step against `_add`: a handler that comes at this moment finds the
            # board here, or is in the copy below.
            self._boards.add(board)
            subscriptions = list(self._subscriptions)
        for sub in subscriptions:
            board.signal(sub.key).connect(sub)
            # Cancelled since the list was copied: it was disconnected before it was
            # connected here, and would be kept as long as the session.
            if not sub.active:
                board.signal(sub.key).disconnect(sub)
        for key in dict.fromkeys(sub.key for sub in subscriptions):
            board.warn_if_lacking(key)

    def detach(self, board: SignalBoard) -> None:
        """Call handlers that are registered from now on for a session no more."""
        with self._lock:
            self._boards.discard(board)

    def _forget(self, sub: Subscription) -> None:
        with self._lock:
            if sub in self._subscriptions:
                self._subscriptions.remove(sub)
            boards = list(self._boards)
        for board in boards:
            board.signal(sub.key).disconnect(sub)


EventHandler = Union[Callable[[Event], Any], Callable[[Event, Any], Any]]
"""A handler for one event class, with or without a context."""


default_router = Router("default")
"""What the module-level `on` registers with."""

on = default_router.on


def _methods_marked_for_router(
    cls: type,
) -> Iterator[tuple[str, Union[type, str], _Options]]:
    """
    What `on` marked in a class and its bases: method name, event, options.

    In the order of the class bodies, bases first, as registrations in a module
    have the order of its lines. A method that overrides one counts for itself.
    """
    names = {name: None for base in reversed(cls.__mro__) for name in vars(base)}
    for name in names:
        found = next(vars(b)[name] for b in cls.__mro__ if name in vars(b))
        for event, options in getattr(_function_for_router(found), _MARK, ()):
            yield name, event, options


def _function_for_router(value: object) -> Any:
    """What a staticmethod or classmethod is made of."""
    if isinstance(value, (staticmethod, classmethod)):
        return value.__func__
    return value


def _is_router_in_class_body(frame: FrameType) -> bool:
    names = frame.f_locals
    return "__module__" in names and "__qualname__" in names


def _is_event_for_router(value: object) -> bool:
    return isinstance(value, str) or is_event_class_to_name(value)
