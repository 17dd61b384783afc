"""
Where an item stands in the conversation.

A server tells positions one at a time: each item names the one before it. Seen
together these statements are a forest. An item is a child of the one it named;
among children of the same parent the latest comes first, because each was
inserted right after the parent; and the order of the conversation is that
forest read from top to bottom. Two groups stand at the top: the items that the
server put at the head, latest first, and after them those of which it has said
nothing usable yet, in order of arrival.

`Order` keeps the forest already read out, as a flat sequence in which everything
below an item follows it immediately. Its end, where nearly all items come, is a
tuple of its own, so that a place there costs the same at any length. Deleted items
stay in it as tombstones, so that what names them later still finds its place.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Union

from attrs import evolve, field, frozen

from ..types import Unset
from .layers import Layers

Predecessor = Union[str, None, Unset]
"""What a server says: an item, ``null``, or nothing."""


class Anchor(enum.Enum):
    """How an item without a predecessor came to its place."""

    HEAD = "head"
    """First of all: we asked for ``root``, or this server's ``null`` means it."""

    END = "end"
    """The server said nothing about the place. At the end."""

    PROVISIONAL = "provisional"
    """Known from its response only; its place has yet to be told. At the end."""


Parent = Union[str, Anchor]


MOST_AT_END = 128
"""Items in the tuple at the end at which they are joined to the others."""


@frozen(kw_only=True)
class Order:
    """
    The order of a conversation.

    Attributes:
        parents: what each item named or how it was anchored.
        dead: deleted items, also those deleted before they were seen.
        waiting: missing predecessor -> the items that named it.
    """

    _ids: tuple[str, ...] = ()
    _end: tuple[str, ...] = ()
    parents: Layers[Parent] = field(factory=Layers)
    dead: Layers[bool] = field(factory=Layers)
    waiting: Layers[tuple[str, ...]] = field(factory=Layers)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every item in order, tombstones included."""
        return self._ids + self._end

    @property
    def visible(self) -> tuple[str, ...]:
        """The items that are in the conversation, in order."""
        if not self.dead:
            return self.ids
        dead = self.dead.flat()
        return tuple(each for each in self.ids if each not in dead)


def place(
    order: Order,
    item_id: str,
    previous: Predecessor,
    *,
    at_root: bool = False,
) -> Order:
    """
    Put an item where the server says it is.

    An item that has a place already is moved to the new one, together with
    everything that was placed after it by name.

    Args:
        order: the order so far.
        item_id: the item.
        previous: the predecessor that the server named. ``null``, "" and the
            item itself are no predecessor.
        at_root: whether no predecessor means the head of the conversation:
            this client asked for it, or it is this server's habit. Otherwise
            it says nothing, and the item goes to the end.
    """
    if isinstance(previous, str) and previous not in ("", "root", item_id):
        return _adopt(_after(order, item_id, previous), item_id)
    head = at_root or previous == "root"
    anchor = Anchor.HEAD if head else Anchor.END
    return _adopt(_anchor(order, item_id, anchor), item_id)


def place_provisionally(order: Order, item_id: str) -> Order:
    """Append an item of whose place the server has not spoken yet."""
    return _adopt(_anchor(order, item_id, Anchor.PROVISIONAL), item_id)


def placed(order: Order, item_id: str) -> bool:
    """Say whether the server has told where the item is."""
    parent = order.parents.get(item_id)
    return parent is not None and parent not in (Anchor.END, Anchor.PROVISIONAL)


def listed(order: Order, item_id: str) -> bool:
    """Say whether the server has listed the item in the conversation."""
    parent = order.parents.get(item_id)
    return parent is not None and parent is not Anchor.PROVISIONAL


def orphaned(order: Order, item_id: str) -> bool:
    """Say whether an item waits for a predecessor that is not known."""
    parent = order.parents.get(item_id)
    return isinstance(parent, str) and parent not in order.parents


def bury(order: Order, *items: str) -> Order:
    """Take items out of the conversation and leave tombstones."""
    return evolve(order, dead=order.dead.put(dict.fromkeys(items, True)))


def forget_tombstones(order: Order, limit: int) -> Order:
    """Drop the oldest tombstones beyond a limit."""
    surplus = len(order.dead) - limit
    if surplus <= 0:
        return order
    return forget(order, list(order.dead)[:surplus])


def _anchor(order: Order, item_id: str, anchor: Anchor) -> Order:
    run, order = _lift(order, item_id)
    if anchor is Anchor.HEAD:
        order = evolve(order, ids=run + order.ids, end=())
    else:
        order = _at_end(order, order._end + run)
    return _settle(order, item_id, anchor)


def _after(order: Order, item_id: str, previous: str) -> Order:
    run, order = _lift(order, item_id)
    if previous in run:  # the two name each other
        return _settle(_at_end(order, order._end + run), item_id, Anchor.END)
    if previous not in order.parents:
        orphans = (*order.waiting.get(previous, ()), item_id)
        order = evolve(order, waiting=order.waiting.put({previous: orphans}))
        return _settle(_at_end(order, order._end + run), item_id, previous)
    return _settle(_insert(order, previous, run), item_id, previous)


def _insert(order: Order, previous: str, run: tuple[str, ...]) -> Order:
    """Put items after one that is there: cheap at the end, O(items) elsewhere."""
    end = order._end
    if (end or order._ids)[-1] == previous:
        return _at_end(order, end + run)
    if previous in end:
        at = end.index(previous) + 1
        return _at_end(order, end[:at] + run + end[at:])
    at = order._ids.index(previous) + 1
    return evolve(order, ids=order._ids[:at] + run + order._ids[at:])


def _at_end(order: Order, end: tuple[str, ...]) -> Order:
    if len(end) > MOST_AT_END:
        return evolve(order, ids=order._ids + end, end=())
    return evolve(order, end=end)


def _adopt(order: Order, item_id: str) -> Order:
    """Bring the items that waited for this one to their places, oldest first."""
    if item_id not in order.waiting:
        return order
    orphans = order.waiting[item_id]
    order = evolve(order, waiting=order.waiting.without([item_id]))
    for orphan in orphans:
        if order.parents.get(orphan) == item_id:
            order = _after(order, orphan, item_id)
    return order


def _lift(order: Order, item_id: str) -> tuple[tuple[str, ...], Order]:
    """Cut an item, with everything below it, out of the order."""
    if item_id not in order.parents:
        return (item_id,), order
    if item_id in order._end:
        run, end = _cut(order._end, item_id, order.parents)
        return run, evolve(order, end=end)
    run, ids = _cut(order.ids, item_id, order.parents)
    return run, evolve(order, ids=ids, end=())


def _cut(
    ids: tuple[str, ...], item_id: str, parents: Layers[Parent]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    start = ids.index(item_id)
    end = start + 1
    run = {item_id}
    while end < len(ids) and parents[ids[end]] in run:
        run.add(ids[end])
        end += 1
    return ids[start:end], ids[:start] + ids[end:]


def _settle(order: Order, item_id: str, parent: Parent) -> Order:
    return evolve(order, parents=order.parents.put({item_id: parent}))


def forget(order: Order, items: Iterable[str]) -> Order:
    """
    Forget items, tombstones included, as if they had never been seen.

    What stood below one of them now stands below that one's parent.
    """
    items = tuple(items)
    parents = order.parents.flat()
    gone: dict[str, Parent] = {}
    for each in items:
        if each in parents:
            gone[each] = parents.pop(each)
    for each, parent in parents.items():
        if parent in gone:
            parents[each] = _heir(parent, gone, parents)
    waiting = {
        missing: left
        for missing, orphans in order.waiting.items()
        if (left := tuple(each for each in orphans if each in parents))
    }
    ids = tuple(each for each in order.ids if each in parents)
    return Order(
        ids=ids,
        parents=Layers(parents),
        dead=order.dead.without(items),
        waiting=Layers(waiting),
    )


def _heir(
    parent: Parent, gone: Mapping[str, Parent], left: Mapping[str, Parent]
) -> Parent:
    while isinstance(parent, str) and parent in gone:
        parent = gone[parent]
    if isinstance(parent, str) and parent not in left:
        return Anchor.END  # the one forgotten was an orphan itself
    return parent
