"""What a handler is told beside the event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Optional, Protocol, TypeVar

if TYPE_CHECKING:
    from ..state.snapshot import Item, ResponseState, Snapshot
    from .notices import Published
    from .subscription import Subscription


class MirroredInContext(Protocol):
    """What a context asks of a session: the latest snapshot."""

    @property
    def snapshot(self) -> Snapshot:
        """The conversation as the server has confirmed it."""


SessionT = TypeVar("SessionT", bound=MirroredInContext)


class Context(Generic[SessionT]):
    """
    The second argument of a handler that asks for one.

    Attributes:
        session: the session that the event belongs to.
        event: the event itself.
        subscription: the registration that this call is made for.
    """

    __slots__ = ("session", "event", "_snapshot", "subscription")

    def __init__(
        self, session: SessionT, event: Published, snapshot: Optional[Snapshot]
    ) -> None:
        self.session = session
        self.event = event
        self._snapshot = snapshot
        self.subscription: Optional[Subscription] = None

    def for_subscription(self, subscription: Subscription) -> Context[SessionT]:
        """
        The same context, for another registration.
        """
        context = Context(self.session, self.event, self._snapshot)
        context.subscription = subscription
        return context

    @property
    def snapshot(self) -> Snapshot:
        """The conversation as of this event; `Session.snapshot` may be later."""
        # None only where nobody who was registered when the event came looks
        # at it: see `Route.keeps_snapshot`.
        return self.session.snapshot if self._snapshot is None else self._snapshot

    @property
    def item(self) -> Optional[Item]:
        """The item that the event is about, as of the event, or None."""
        item_id = getattr(self.event, "item_id", None)
        if not isinstance(item_id, str):
            item_id = getattr(getattr(self.event, "item", None), "id", None)
        if not isinstance(item_id, str):
            return None
        # A live session has no items, and its snapshot does not know them.
        find = getattr(self.snapshot, "item", None)
        return None if find is None else find(item_id)

    @property
    def response(self) -> Optional[ResponseState]:
        """The response that the event is about, as of the event, or None."""
        response_id = getattr(self.event, "response_id", None)
        if not isinstance(response_id, str):
            response_id = getattr(getattr(self.event, "response", None), "id", None)
        if not isinstance(response_id, str):
            return None
        find = getattr(self.snapshot, "response", None)
        return None if find is None else find(response_id)
