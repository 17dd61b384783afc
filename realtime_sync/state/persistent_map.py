"""
A mapping that never changes, of which a changed copy costs the same at any size.

Copying a dictionary of 20,000 items for each item that comes would make the mirror
slower the longer a conversation lasts. Here the latest changes lie over those before
them, and these over many settled entries; only the latest are copied, and each layer
is put into the one below when it is full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

V = TypeVar("V")

MOST_RECENT: Final = 64
"""The latest changes at which they are put to those before them."""

MOST_CHANGES: Final = 1024
"""Changes at which they are settled, and one more for 16 entries that are settled."""

_GONE: Any = object()


class PersistentMap(Mapping[str, V], Generic[V]):
    """
    Settled entries, in order of arrival, and what has changed since.

    Args:
        settled: the first entries; whoever gives them leaves them alone.
    """

    __slots__ = ("_settled", "_changes", "_recent", "_back", "_count")

    def __init__(self, settled: Mapping[str, V] = {}) -> None:  # noqa: B006
        self._settled: dict[str, V] = dict(settled)
        self._changes: dict[str, V] = {}
        self._recent: dict[str, V] = {}
        # Settled entries that were taken out and came back, which is to the end.
        self._back: frozenset[str] = frozenset()
        self._count = len(self._settled)

    def put(self, changes: Mapping[str, V]) -> PersistentMap[V]:
        """Return a copy with other entries; those that were there keep their place."""
        back = [each for each in changes if self._changed_to(each) is _GONE]
        below = self._making_way(back) if back else self
        fresh = sum(each not in self for each in changes)
        return below._changed(changes, self._count + fresh)

    def without(self, keys: Iterable[str]) -> PersistentMap[V]:
        """Return a copy without some keys, known or not."""
        known = dict.fromkeys((each for each in keys if each in self), _GONE)
        return self._changed(known, self._count - len(known)) if known else self

    def flat(self) -> dict[str, V]:
        """Return the entries as a dictionary of the caller's own. O(entries)."""
        changes = {**self._changes, **self._recent}
        merged = self._settled.copy()
        for each in self._back:
            del merged[each]
        merged.update(changes)
        for each, value in changes.items():
            if value is _GONE:
                del merged[each]
        return merged

    def latest(self) -> Iterator[V]:
        """Yield the values, about the latest first. O(1) for each one."""
        layers = (self._recent, self._changes, self._settled)
        for at, layer in enumerate(layers):
            for key in reversed(layer):
                value = layer[key]
                newer = any(key in above for above in layers[:at])
                if value is not _GONE and not newer:
                    yield value

    def get(self, key: str, default: object = None) -> Any:
        """Return what is under a key, or something else."""
        found = self._changed_to(key)
        if found is None:
            return self._settled.get(key, default)
        return default if found is _GONE else found

    def __getitem__(self, key: str) -> V:
        found = self._changed_to(key)
        if found is _GONE:
            raise KeyError(key)
        return self._settled[key] if found is None else found

    def __contains__(self, key: object) -> bool:
        found = self._changed_to(key)
        return key in self._settled if found is None else found is not _GONE

    def __iter__(self) -> Iterator[str]:
        changed = self._recent or self._changes
        return iter(self.flat() if changed else self._settled)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"PersistentMap({self.flat()!r})"

    def _changed_to(self, key: Any) -> Any:
        """Return what a key was changed to lately, None if it was not."""
        found = self._recent.get(key)
        return self._changes.get(key) if found is None else found

    def _making_way(self, back: Iterable[str]) -> PersistentMap[V]:
        """Return a copy in which keys that are gone have no place that they had."""
        copy = self._layered({**self._changes, **self._recent}, {}, self._count)
        for each in back:
            del copy._changes[each]
        copy._back = self._back.union(each for each in back if each in self._settled)
        return copy

    def _changed(self, changes: Mapping[str, V], count: int) -> PersistentMap[V]:
        recent = {**self._recent, **changes}
        if len(recent) > MOST_RECENT:
            merged = {**self._changes, **recent}
            for key, value in recent.items():
                # What came and went since the last settling needs no mark that it went.
                if value is _GONE and key not in self._settled:
                    del merged[key]
            copy = self._layered(merged, {}, count)
        else:
            copy = self._layered(self._changes, recent, count)
        if len(copy._changes) > MOST_CHANGES + count // 16:
            copy._settled, copy._changes, copy._recent = copy.flat(), {}, {}
            copy._back = frozenset()
        return copy

    def _layered(
        self, changes: dict[str, V], recent: dict[str, V], count: int
    ) -> PersistentMap[V]:
        copy: PersistentMap[V] = PersistentMap.__new__(PersistentMap)
        copy._settled, copy._changes, copy._recent = self._settled, changes, recent
        copy._back, copy._count = self._back, count
        return copy
