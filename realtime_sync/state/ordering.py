"""
Where an item stands in the conversation.

A server tells positions one at a time: each item names the one before it. Seen
together these statements are a forest. An item is a child of the one it named;
among children of the same parent the latest comes first, because each was
inserted right after the parent; and the order of the conversation is that
forest read from top to bottom. Two groups stand at the top: the items that the
server put at the head, latest first, and after them those of which it has said
nothing usable yet, in order of arrival.

`ItemOrder` keeps the forest already read out, as a sequence in which everything below
an item follows it immediately. It is in runs, so that to put an item somewhere copies
one run and not all; the last one, where nearly all items come, is looked at first, and
to look into another costs the same wherever the item stands in it. Deleted items stay
in it as tombstones, so that what names them later still finds its place.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, filterfalse
from typing import Final, Union

from attrs import field, frozen

from ..types import Unset
from .frozen_records import evolve_record, evolve_record_field
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


Ids = tuple[str, ...]
"""Items that follow each other."""

Run = dict[str, None]
"""The same, in which an item is found at once."""

LONGEST: Final = 128
"""Items in a run at which it is cut in two."""


@frozen(kw_only=True, slots=False)
class ItemOrder:
    """
    The order of a conversation.

    Attributes:
        parents: what each item named or how it was anchored.
        dead: deleted items, also those deleted before they were seen.
        below: item -> those that stand right below it, in order of arrival. The item
            may be missing yet: then they wait for it.
    """

    _runs: tuple[Run, ...] = ()
    _end: Ids = ()
    parents: PersistentMap[Parent] = field(factory=PersistentMap)
    dead: PersistentMap[bool] = field(factory=PersistentMap)
    below: PersistentMap[Ids] = field(factory=PersistentMap)

    @property
    def ids(self) -> Ids:
        """Every item in order, tombstones included."""
        return (*chain.from_iterable(self._runs), *self._end)

    @property
    def waiting(self) -> dict[str, Ids]:
        """Missing predecessor -> the items that named it. O(items)."""
        known = self.parents.flat()
        below = self.below.flat()
        return {each: below[each] for each in below if each not in known}

    def latest(self) -> Iterator[str]:
        """Return the items that are in the conversation, the last ones first."""
        earlier = chain.from_iterable(map(reversed, reversed(self._runs)))
        ids = chain(reversed(self._end), earlier)
        return filterfalse(self.dead.__contains__, ids)

    @property
    def visible(self) -> Ids:
        """The items that are in the conversation, in order."""
        if not self.dead:
            return self.ids
        dead = self.dead.flat()
        return tuple(each for each in self.ids if each not in dead)


def order_of_items(
    ids: Iterable[str],
    *,
    parents: Mapping[str, Parent],
    dead: PersistentMap[bool],
    waiting: Mapping[str, Ids],
) -> ItemOrder:
    """Return an order of items that are in order already; see `ItemOrder`."""
    children: dict[str, list[str]] = {}
    for each, parent in parents.items():
        if isinstance(parent, str):
            children.setdefault(parent, []).append(each)
    below = {parent: tuple(each) for parent, each in children.items()}
    below.update(waiting)  # Of those alone it matters who was first.
    return ItemOrder(
        runs=_order_runs(tuple(ids)),
        parents=PersistentMap(parents),
        dead=dead,
        below=PersistentMap(below),
    )


def place_in_order(
    order: ItemOrder,
    item_id: str,
    previous: Predecessor,
    *,
    at_root: bool = False,
) -> ItemOrder:
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
        return _adopt_in_order(order, _order_after(order, item_id, previous), item_id)
    head = at_root or previous == "root"
    anchor = Anchor.HEAD if head else Anchor.END
    return _adopt_in_order(order, _order_anchor(order, item_id, anchor), item_id)


def place_provisionally_in_order(order: ItemOrder, item_id: str) -> ItemOrder:
    """Append an item of whose place the server has not spoken yet."""
    return _adopt_in_order(
        order, _order_anchor(order, item_id, Anchor.PROVISIONAL), item_id
    )


def is_placed_in_order(order: ItemOrder, item_id: str) -> bool:
    """Say whether the server has told where the item is."""
    parent = order.parents.get(item_id)
    return parent is not None and parent not in (Anchor.END, Anchor.PROVISIONAL)


def is_listed_in_order(order: ItemOrder, item_id: str) -> bool:
    """Say whether the server has listed the item in the conversation."""
    parent = order.parents.get(item_id)
    return parent is not None and parent is not Anchor.PROVISIONAL


def is_orphan_in_order(order: ItemOrder, item_id: str) -> bool:
    """Say whether an item waits for a predecessor that is not known."""
    parent = order.parents.get(item_id)
    return isinstance(parent, str) and parent not in order.parents


def leave_tombstones(order: ItemOrder, *items: str) -> ItemOrder:
    """Take items out of the conversation and leave tombstones."""
    return evolve_record_field(
        order, "dead", order.dead.put(dict.fromkeys(items, True))
    )


def rename_in_order(order: ItemOrder, item_id: str, name: str) -> ItemOrder:
    """Let an item stand where it stands under another id. O(items)."""

    def named(each: str) -> str:
        return name if each == item_id else each

    parents = {
        named(each): named(parent) if isinstance(parent, str) else parent
        for each, parent in order.parents.flat().items()
    }
    waiting = order.waiting.items()
    return order_of_items(
        map(named, order.ids),
        parents=parents,
        dead=order.dead,
        waiting={missing: tuple(map(named, each)) for missing, each in waiting},
    )


def forget_tombstones(order: ItemOrder, limit: int) -> ItemOrder:
    """Drop the oldest tombstones beyond a limit. O(items), however many those are."""
    surplus = len(order.dead) - limit
    if surplus <= 0:
        return order
    oldest = list(order.dead)[:surplus]
    parents, below = order.parents.flat(), order.below.flat()
    gone = {each: parents.pop(each) for each in oldest if each in parents}
    left: set[str] = set()
    for each, parent in gone.items():
        for child in filterfalse(gone.__contains__, below.pop(each, ())):
            parents[child] = heir = _heir_in_order(each, gone, parents)
            if isinstance(heir, str):
                below[heir] = (*below.get(heir, ()), child)
        if isinstance(parent, str) and parent not in gone:
            left.add(parent)
    for parent in left & below.keys():
        below[parent] = tuple(filterfalse(gone.__contains__, below[parent]))
        if not below[parent]:
            del below[parent]
    return ItemOrder(
        runs=_order_runs(tuple(filter(parents.__contains__, order.ids))),
        parents=PersistentMap(parents),
        dead=order.dead.without(oldest),
        below=PersistentMap(below),
    )


def _heir_in_order(
    parent: Parent, gone: Mapping[str, Parent], left: Mapping[str, Parent]
) -> Parent:
    while isinstance(parent, str) and parent in gone:
        parent = gone[parent]
    if isinstance(parent, str) and parent not in left:
        return Anchor.END  # the one forgotten was an orphan itself
    return parent


def forget_in_order(order: ItemOrder, items: Iterable[str]) -> ItemOrder:
    """
    Forget a few items, tombstones or not, as if they had never been seen.

    What stood below one of them now stands below that one's parent.
    """
    items = tuple(items)
    for each in items:
        if each in order.parents:
            order = _forget_one_in_order(order, each)
    return evolve_record_field(order, "dead", order.dead.without(items))


def _forget_one_in_order(order: ItemOrder, item_id: str) -> ItemOrder:
    heir = _heir_in_order(order.parents[item_id], {}, order.parents)
    children = order.below.get(item_id, ())
    order = _unlink_in_order(
        _cut_out_of_order(order, _order_run_of(order, item_id), 1), item_id
    )
    parents = order.parents.without((item_id,)).put(dict.fromkeys(children, heir))
    below = order.below.without((item_id,))
    if children and isinstance(heir, str):
        below = below.put({heir: (*below.get(heir, ()), *children)})
    return evolve_record(order, {"parents": parents, "below": below})


def _order_anchor(order: ItemOrder, item_id: str, anchor: Anchor) -> ItemOrder:
    ids, order = _lift_out_of_order(order, item_id)
    if anchor is Anchor.HEAD:
        first, *rest = order._runs or ({},)
        order = evolve_record_field(
            order, "_runs", (*_order_runs((*ids, *first)), *rest)
        )
    else:
        order = _at_end_of_order(order, order._end + ids)
    return _settle_in_order(order, item_id, anchor)


def _order_after(order: ItemOrder, item_id: str, previous: str) -> ItemOrder:
    ids, order = _lift_out_of_order(order, item_id)
    if previous in ids:  # the two name each other
        return _settle_in_order(
            _at_end_of_order(order, order._end + ids), item_id, Anchor.END
        )
    if previous not in order.parents:  # it waits for that one
        return _settle_in_order(
            _at_end_of_order(order, order._end + ids), item_id, previous
        )
    return _settle_in_order(_insert_in_order(order, previous, ids), item_id, previous)


def _insert_in_order(order: ItemOrder, previous: str, ids: Ids) -> ItemOrder:
    """Put items after one that is there, which is rarely far from the end."""
    place, found, at = _order_run_of(order, previous)
    longer = found[: at + 1] + ids + found[at + 1 :]
    return _replace_order_runs(order, place, place, longer)


def _order_run_of(order: ItemOrder, item_id: str) -> tuple[int, Ids, int]:
    """Return the run that holds an item: its number, its items, the item's place."""
    place = len(order._runs)
    found: Union[Run, Ids] = order._end
    while item_id not in found:
        place -= 1
        found = order._runs[place]
    ids = tuple(found)
    return place, ids, ids.index(item_id)


def _replace_order_runs(order: ItemOrder, first: int, last: int, ids: Ids) -> ItemOrder:
    """Put items in the place of some runs, the last of which may be the end."""
    runs = order._runs
    if last == len(runs):
        return _at_end_of_order(evolve_record_field(order, "_runs", runs[:first]), ids)
    return evolve_record_field(
        order, "_runs", (*runs[:first], *_order_runs(ids), *runs[last + 1 :])
    )


def _at_end_of_order(order: ItemOrder, end: Ids) -> ItemOrder:
    if len(end) <= LONGEST:
        return evolve_record_field(order, "_end", end)
    *before, end = _short_order_run(end)
    runs = (*order._runs, *map(dict.fromkeys, before))
    return evolve_record(order, {"_runs": runs, "_end": end})


def _order_runs(ids: Ids) -> tuple[Run, ...]:
    """Return the runs, none of them too long, that some items make."""
    return tuple(map(dict.fromkeys, _short_order_run(ids)))


def _short_order_run(ids: Ids) -> tuple[Ids, ...]:
    """Cut items into pieces; what is left at the end has room for more."""
    half = LONGEST // 2
    if len(ids) <= LONGEST:
        return (ids,) if ids else ()
    return tuple(ids[at : at + half] for at in range(0, len(ids), half))


def _adopt_in_order(before: ItemOrder, order: ItemOrder, item_id: str) -> ItemOrder:
    """Bring what waited for an item that is new to its place, the oldest first."""
    if item_id in before.parents:
        return order
    for orphan in order.below.get(item_id, ()):
        order = _order_after(order, orphan, item_id)
    return order


def _lift_out_of_order(order: ItemOrder, item_id: str) -> tuple[Ids, ItemOrder]:
    """Cut an item, with everything below it, out of the order."""
    if item_id not in order.parents:
        return (item_id,), order
    where = place, found, at = _order_run_of(order, item_id)
    later = (*order._runs[place + 1 :], order._end)[: len(order._runs) - place]
    ids = {item_id: None}
    for each in chain(found[at + 1 :], chain.from_iterable(later)):
        if order.parents[each] not in ids:
            break
        ids[each] = None
    return tuple(ids), _cut_out_of_order(order, where, len(ids))


def _cut_out_of_order(
    order: ItemOrder, where: tuple[int, Ids, int], count: int
) -> ItemOrder:
    """Cut some items that follow each other out, wherever their run ends."""
    place, found, at = where
    runs = (*order._runs, order._end)
    last, rest = place, found[at:]
    while len(rest) < count:
        count -= len(rest)
        last += 1
        rest = tuple(runs[last])
    return _replace_order_runs(order, place, last, found[:at] + rest[count:])


def _settle_in_order(order: ItemOrder, item_id: str, parent: Parent) -> ItemOrder:
    """Note what an item stands below."""
    order = _unlink_in_order(order, item_id)
    if isinstance(parent, str):
        children = (*order.below.get(parent, ()), item_id)
        order = evolve_record_field(order, "below", order.below.put({parent: children}))
    return evolve_record_field(order, "parents", order.parents.put({item_id: parent}))


def _unlink_in_order(order: ItemOrder, item_id: str) -> ItemOrder:
    """Take an item from among those that stand below the same one."""
    parent = order.parents.get(item_id)
    if not isinstance(parent, str):
        return order
    left = tuple(each for each in order.below[parent] if each != item_id)
    if left:
        return evolve_record_field(order, "below", order.below.put({parent: left}))
    return evolve_record_field(order, "below", order.below.without((parent,)))
