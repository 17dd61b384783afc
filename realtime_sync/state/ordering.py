"""
Where an item stands in the conversation.

A server tells positions one at a time: each item names the one before it. Seen
together these statements are a forest. An item is a child of the one it named;
among children of the same parent the latest comes first, because each was
inserted right after the parent; and the order of the conversation is that
forest read from top to bottom. Two groups stand at the top: the items that the
server put at the head, latest first, and after them those of which it has said
nothing usable yet, in order of arrival.

`Order` keeps the forest already read out, as a sequence in which everything below an
item follows it immediately. It is in runs, so that to put an item somewhere copies one
run and not all; the last one, where nearly all items come, is looked at first. Deleted
items stay in it as tombstones, so that what names them later still finds its place.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, filterfalse
from typing import Final, Union

from attrs import field, frozen

from ..types import Unset
from .frozen_records import changed, changed_in
from .persistent_map import PersistentMap

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


Run = tuple[str, ...]
"""Items that follow each other."""

LONGEST: Final = 128
"""Items in a run at which it is cut in two."""


@frozen(kw_only=True, slots=False)
class Order:
    """
    The order of a conversation.

    Attributes:
        parents: what each item named or how it was anchored.
        dead: deleted items, also those deleted before they were seen.
        waiting: missing predecessor -> the items that named it.
    """

    _runs: tuple[Run, ...] = ()
    _end: Run = ()
    parents: PersistentMap[Parent] = field(factory=PersistentMap)
    dead: PersistentMap[bool] = field(factory=PersistentMap)
    waiting: PersistentMap[tuple[str, ...]] = field(factory=PersistentMap)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every item in order, tombstones included."""
        return (*chain.from_iterable(self._runs), *self._end)

    def latest(self) -> Iterator[str]:
        """Return the items that are in the conversation, the last ones first."""
        runs = chain((self._end,), reversed(self._runs))
        ids = chain.from_iterable(map(reversed, runs))
        return filterfalse(self.dead.__contains__, ids)

    @property
    def visible(self) -> tuple[str, ...]:
        """The items that are in the conversation, in order."""
        if not self.dead:
            return self.ids
        dead = self.dead.flat()
        return tuple(each for each in self.ids if each not in dead)


def in_order(
    ids: Iterable[str],
    *,
    parents: PersistentMap[Parent],
    dead: PersistentMap[bool],
    waiting: PersistentMap[tuple[str, ...]],
) -> Order:
    """Return an order of items that are in order already; see `Order`."""
    runs = _short(tuple(ids))
    return Order(runs=runs, parents=parents, dead=dead, waiting=waiting)


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
    return changed_in(order, "dead", order.dead.put(dict.fromkeys(items, True)))


def forget_tombstones(order: Order, limit: int) -> Order:
    """Drop the oldest tombstones beyond a limit."""
    surplus = len(order.dead) - limit
    if surplus <= 0:
        return order
    return forget(order, list(order.dead)[:surplus])


def _anchor(order: Order, item_id: str, anchor: Anchor) -> Order:
    run, order = _lift(order, item_id)
    if anchor is Anchor.HEAD:
        first, *rest = order._runs or ((),)
        order = changed_in(order, "_runs", (*_short(run + first), *rest))
    else:
        order = _at_end(order, order._end + run)
    return _settle(order, item_id, anchor)


def _after(order: Order, item_id: str, previous: str) -> Order:
    run, order = _lift(order, item_id)
    if previous in run:  # the two name each other
        return _settle(_at_end(order, order._end + run), item_id, Anchor.END)
    if previous not in order.parents:
        orphans = (*order.waiting.get(previous, ()), item_id)
        waiting = order.waiting.put({previous: orphans})
        order = changed_in(order, "waiting", waiting)
        return _settle(_at_end(order, order._end + run), item_id, previous)
    return _settle(_insert(order, previous, run), item_id, previous)


def _insert(order: Order, previous: str, run: Run) -> Order:
    """Put items after one that is there, which is rarely far from the end."""
    end, runs = order._end, order._runs
    if previous in end:
        at = end.index(previous) + 1
        return _at_end(order, end[:at] + run + end[at:])
    place = len(runs) - 1
    while previous not in runs[place]:
        place -= 1
    found = runs[place]
    at = found.index(previous) + 1
    longer = _short(found[:at] + run + found[at:])
    return changed_in(order, "_runs", (*runs[:place], *longer, *runs[place + 1 :]))


def _at_end(order: Order, end: Run) -> Order:
    if len(end) <= LONGEST:
        return changed_in(order, "_end", end)
    *before, end = _short(end)
    return changed(order, {"_runs": (*order._runs, *before), "_end": end})


def _short(run: Run) -> tuple[Run, ...]:
    """Cut a run that is too long; what is left at the end has room for more."""
    half = LONGEST // 2
    if len(run) <= LONGEST:
        return (run,)
    return tuple(run[at : at + half] for at in range(0, len(run), half))


def _adopt(order: Order, item_id: str) -> Order:
    """Bring the items that waited for this one to their places, oldest first."""
    if item_id not in order.waiting:
        return order
    orphans = order.waiting[item_id]
    order = changed_in(order, "waiting", order.waiting.without([item_id]))
    for orphan in orphans:
        if order.parents.get(orphan) == item_id:
            order = _after(order, orphan, item_id)
    return order


def _lift(order: Order, item_id: str) -> tuple[Run, Order]:
    """Cut an item, with everything below it, out of the order."""
    if item_id not in order.parents:
        return (item_id,), order
    if item_id in order._end:
        run, end = _cut(order._end, item_id, order.parents)
        return run, changed_in(order, "_end", end)
    run, ids = _cut(order.ids, item_id, order.parents)
    return run, changed(order, {"_runs": _short(ids), "_end": ()})


def _cut(ids: Run, item_id: str, parents: PersistentMap[Parent]) -> tuple[Run, Run]:
    start = ids.index(item_id)
    end = start + 1
    run = {item_id}
    while end < len(ids) and parents[ids[end]] in run:
        run.add(ids[end])
        end += 1
    return ids[start:end], ids[:start] + ids[end:]


def _settle(order: Order, item_id: str, parent: Parent) -> Order:
    return changed_in(order, "parents", order.parents.put({item_id: parent}))


def forget(order: Order, items: Iterable[str]) -> Order:
    """
    Forget items, tombstones included, as if they had never been seen.

    What stood below one of them now stands below that one's parent.
    """
    items = tuple(items)
    parents = order.parents.flat()
    gone = {each: parents.pop(each) for each in items if each in parents}
    orphaned = {each: old for each, old in parents.items() if old in gone}
    for each, old in orphaned.items():
        parents[each] = _heir(old, gone, parents)
    waiting = {
        missing: left
        for missing, orphans in order.waiting.items()
        if (left := tuple(each for each in orphans if each in parents))
    }
    return in_order(
        filter(parents.__contains__, order.ids),
        parents=PersistentMap(parents),
        dead=order.dead.without(items),
        waiting=PersistentMap(waiting),
    )


def _heir(
    parent: Parent, gone: Mapping[str, Parent], left: Mapping[str, Parent]
) -> Parent:
    while isinstance(parent, str) and parent in gone:
        parent = gone[parent]
    if isinstance(parent, str) and parent not in left:
        return Anchor.END  # the one forgotten was an orphan itself
    return parent
