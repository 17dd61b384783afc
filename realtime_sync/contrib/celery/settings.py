"""What a fleet is told once, for all of its workers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Optional

from attrs import Attribute, define, evolve, field

from ... import Router, Threads, live
from ...errors import ConfigurationError
from ...telemetry import Prices
from .call import Call
from .limits import Limits, is_limit_amount
from .listener import Line
from .recordings import check_recording_place
from .records import Order

if TYPE_CHECKING:
    from celery import Celery

    from ... import RealtimeClient

_NAME = re.compile(r"[\w.-]+")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}")
# Backends make keys and names of files of it.


def check_call_id_setting(call_id: str) -> str:
    """
    The id, if it can be that of a call.

    Raises:
        ConfigurationError: it cannot.
    """
    if not isinstance(call_id, str) or not _ID.fullmatch(call_id):
        raise ConfigurationError(
            f"{str(call_id)[:200]!r} is no id of a call: up to 200 letters, digits and "
            "any of . _ : @ + - after the first"
        )
    return call_id


def _wait_by_default_setting(call: Call) -> None:
    """What runs for a call unless `Fleet.on_call` says otherwise."""
    call.wait()


def _check_name_setting(owner: object, attribute: Attribute[str], value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ConfigurationError(
            f"{value!r} cannot name a fleet: letters, digits, '.', '_' and '-' can"
        )


def _check_count_setting(owner: object, attribute: Attribute[int], value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{attribute.name} is no number: {value}")
    if value < 1:
        raise ConfigurationError(f"{attribute.name} must be 1 at least")


def is_duration_setting(value: float) -> bool:
    """Whether it is a number of seconds, 0 or more, that has an end."""
    return is_limit_amount(value) and value < math.inf


def _check_seconds_setting(
    owner: object, attribute: Attribute[float], value: float
) -> None:
    if not is_duration_setting(value):
        raise ConfigurationError(f"{attribute.name} must be seconds, not {value!r}")


def _check_function_setting(
    owner: object, attribute: Attribute[Any], value: object
) -> None:
    if not callable(value):
        raise ConfigurationError(
            f"{attribute.name} is called in each worker; {value!r} cannot be"
        )


def _check_place_setting(
    owner: object, attribute: Attribute[Any], value: Optional[str]
) -> None:
    check_recording_place(value)


def _price_table_setting(given: Mapping[str, Any]) -> dict[str, Prices]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"prices are a list for each model, not {given!r}")
    return {model: Prices.of(prices) for model, prices in given.items()}


@define(kw_only=True)
class FleetSettings:
    """
    See `Fleet`, whose arguments these are.

    Attributes:
        router: whose handlers apply to every call.
        answer: what runs for a call.
        drained: what is called for a call when its worker is told to end, or None.
        limited: what is called for a call that has reached a limit, or None.
    """

    app: Celery
    name: str = field(validator=_check_name_setting)
    client: Callable[[], RealtimeClient] = field(validator=_check_function_setting)
    threads: Callable[[], Threads] = field(validator=_check_function_setting)
    model: Optional[str]
    calls_per_process: int = field(validator=_check_count_setting)
    drain_timeout: float = field(validator=_check_seconds_setting)
    longest_call: float = field(validator=_check_seconds_setting)
    limits: Limits
    prices: Mapping[str, Prices] = field(converter=_price_table_setting)
    grace: float = field(validator=_check_seconds_setting)
    recordings: Optional[str] = field(validator=_check_place_setting)
    line: Optional[Line]
    router: Router = field(factory=lambda: Router("fleet"))
    answer: Callable[[Call], Any] = _wait_by_default_setting
    drained: Optional[Callable[[Call], Any]] = None
    limited: Optional[Callable[[Call], Any]] = None

    @property
    def keep(self) -> int:
        """Seconds after which no message of a call can come again."""
        return int(2 * (self.longest_call + self.drain_timeout) + 86_400)

    @property
    def visibility(self) -> int:
        """
        Seconds after which a broker such as Redis gives a message out again: longer
        than any call, as a call is acknowledged when it ends.
        """
        return int(self.longest_call + self.grace + self.drain_timeout + 600)

    def task_id(self, call_id: str) -> str:
        """
        The id of a call's task: another fleet may have a call of the same id.

        A backend is often shared, and knows tasks by their ids alone.
        """
        return f"{self.name}:{call_id}"

    def call_id(self, task_id: str) -> str:
        """The id of the call that a task is."""
        return task_id.removeprefix(f"{self.name}:")

    def model_of(self, order: Order) -> Optional[str]:
        """The model that is to have a call; what it is accepted with says it, too."""
        accepted = (order.accept or {}).get("model")
        return order.model or (accepted if isinstance(accepted, str) else self.model)

    def session_type_of(self, order: Order) -> Optional[str]:
        """``"live"`` for a call of GPT-Live, None where the client decides."""
        accepted = (order.accept or {}).get("type") == "live"
        return "live" if accepted or live.is_live_model(self.model_of(order)) else None

    def limits_of(self, order: Order) -> Limits:
        """
        What a call may take: what it was started with, else what the fleet says.

        Raises:
            ConfigurationError: it cannot be held.
        """
        own = evolve(self.limits, seconds=self.longest_call)
        limits = own.replaced(order.limits)
        if limits.seconds is None or limits.seconds > self.longest_call:
            raise ConfigurationError(
                f"a call of this fleet takes {self.longest_call:g} s at most, not "
                f"{limits.seconds}: see longest_call"
            )
        if limits.cost is not None and self.prices_of(order) is None:
            raise ConfigurationError(
                f"nobody has said what {self.model_of(order) or 'the model'} costs: "
                "give the fleet its prices"
            )
        return limits

    def prices_of(self, order: Order) -> Optional[Prices]:
        """The price list of the model that has a call."""
        return self.prices.get(self.model_of(order) or "")
