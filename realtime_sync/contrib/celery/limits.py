"""What a call may take before it is ended, and what it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional, Union

from attrs import Attribute, asdict, evolve, field, fields_dict, frozen

from ...errors import ConfigurationError
from ...telemetry import Budget, Prices, Tokens

if TYPE_CHECKING:
    from ... import Session, live

ENDS = {"seconds": "too long", "tokens": "budget", "cost": "budget"}
"""Limit -> why a call that has reached it ends, see `CallResult`."""


def is_limit_amount(value: object) -> bool:
    """Whether it is a number, and not less than nothing; NaN is not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and value >= 0  # type: ignore[operator]


def _check_limit_amount(
    owner: object, attribute: Attribute[Any], value: Optional[float]
) -> None:
    if value is not None and not is_limit_amount(value):
        raise ConfigurationError(f"{attribute.name} must be a number, not {value!r}")


@frozen(kw_only=True)
class Limits:
    """
    What a call may take before it is ended; None is any amount.

    Attributes:
        seconds: that it goes on.
        tokens: of its responses, or of the backend of a live session.
        cost: of these by the fleet's ``prices``, in their currency.

    Raises:
        ConfigurationError: one is no number of 0 or more.
    """

    seconds: Optional[float] = field(default=None, validator=_check_limit_amount)
    tokens: Optional[float] = field(default=None, validator=_check_limit_amount)
    cost: Optional[float] = field(default=None, validator=_check_limit_amount)

    @classmethod
    def of(cls, given: Union[Limits, Mapping[str, Any], None]) -> Limits:
        """
        The limits that a mapping of the attributes says; None says nothing.

        Raises:
            ConfigurationError: it says what is no limit.
        """
        if isinstance(given, Limits):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise ConfigurationError(f"limits are a mapping, not {given!r}")
        unknown = set(given or ()) - set(fields_dict(cls))
        if unknown:
            raise ConfigurationError(
                f"there is no limit of {min(map(str, unknown))!r}: a call has "
                f"{', '.join(fields_dict(cls))}"
            )
        return cls(**(given or {}))

    def replaced(self, given: Optional[Mapping[str, Any]]) -> Limits:
        """These, but for those that are given."""
        wanted = asdict(Limits.of(given))
        return evolve(
            self, **{name: each for name, each in wanted.items() if each is not None}
        )


class TakenOfLimits:
    """
    Counts what a call takes of tokens, and says when that is too much. Any thread.

    Args:
        limits: of the call.
        prices: of its model; None if nobody has said.
        reached: called with the name of each limit that is passed, in a thread that
            delivers events.
    """

    def __init__(
        self,
        limits: Limits,
        prices: Optional[Prices],
        reached: Callable[[str], None],
    ) -> None:
        self._prices = prices
        self._count = Budget(math.inf)
        self._budgets = [self._count]
        if limits.tokens is not None:
            self._budgets.append(
                Budget(limits.tokens, on_exceeded=lambda exc: reached("tokens"))
            )
        if limits.cost is not None and prices is not None:
            self._budgets.append(
                Budget(
                    limits.cost,
                    measure=prices.cost,
                    on_exceeded=lambda exc: reached("cost"),
                )
            )

    def guard(self, session: Union[Session, live.LiveSession]) -> None:
        """Count what a session takes from now on."""
        for budget in self._budgets:
            budget.guard(session)

    @property
    def tokens(self) -> Tokens:
        """What was taken so far."""
        return self._count.tokens

    @property
    def cost(self) -> Optional[float]:
        """What that costs; None if nobody has said what tokens cost."""
        return None if self._prices is None else self._prices.cost(self.tokens)

    @property
    def currency(self) -> str:
        """Of the cost; empty if nobody has said."""
        return "" if self._prices is None else self._prices.currency
