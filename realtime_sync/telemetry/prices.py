"""What tokens cost, by a price list of the user's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Optional, Union

from attrs import field, fields, frozen
from attrs.validators import optional

from ..errors import ConfigurationError
from .tokens import Tokens

MILLION = 1_000_000
"""Vendors give prices for so many tokens."""

_HIGHEST = 1e12

_INPUT = {
    "input_text": "cached_text",
    "input_audio": "cached_audio",
    "input_image": "cached_image",
}
"""What is read, by kind, and the name of the part of it that was cached."""

_OUTPUT = ("output_text", "output_audio")


def _check_price(owner: object, attribute: object, value: float) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value <= _HIGHEST:
        name = getattr(attribute, "name", "a price")
        raise ConfigurationError(f"{name} is a price of 0 or more, not {value!r}")


_cheaper = optional(_check_price)
"""Of what was cached; None is as dear as the rest. Other prices are never None."""


@frozen(kw_only=True)
class Prices:
    """
    The price list of a model: what a million tokens of each kind cost.

    Prices change, so none are in this package: take them from your vendor. It is a
    frozen value that can be pickled, and can be called, as the measure of a `Budget`.

    What a server leaves out makes nothing cheaper: tokens of an unknown kind cost the
    highest price of their side, and cached tokens of an unknown kind are not cheaper.

    Attributes:
        input_text, input_audio, input_image: what the model reads.
        cached_text, cached_audio, cached_image: the part of it that was cached; the
            same price by default.
        output_text, output_audio: what the model makes.
        live_minute: a minute of a session of GPT-Live, not a million of them.
        currency: such as ``"USD"``, for people.

    Raises:
        ConfigurationError: a price is no number of 0 or more.

    .. versionadded:: 0.1
    """

    input_text: float = field(default=0.0, validator=_check_price)
    input_audio: float = field(default=0.0, validator=_check_price)
    input_image: float = field(default=0.0, validator=_check_price)
    cached_text: Optional[float] = field(default=None, validator=_cheaper)
    cached_audio: Optional[float] = field(default=None, validator=_cheaper)
    cached_image: Optional[float] = field(default=None, validator=_cheaper)
    output_text: float = field(default=0.0, validator=_check_price)
    output_audio: float = field(default=0.0, validator=_check_price)
    live_minute: float = field(default=0.0, validator=_check_price)
    currency: str = ""

    @classmethod
    def of(cls, given: Union[Prices, Mapping[str, object]]) -> Prices:
        """
        The price list that a mapping of the attributes says.

        Raises:
            ConfigurationError: it says what no price list has.
        """
        if isinstance(given, Prices):
            return given
        if not isinstance(given, Mapping):
            raise ConfigurationError(f"prices are a mapping, not {given!r}")
        known = [each.name for each in fields(cls)]
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ConfigurationError(f"there is no price of {name!r}{hint}")
        return cls(**given)  # type: ignore[arg-type]

    def cost(self, tokens: Tokens) -> float:
        """What some tokens cost, in the currency of the list."""
        read = self._told(tokens, _INPUT)
        made = self._told(tokens, _OUTPUT)
        for kind, cached in _INPUT.items():
            price, cheaper = getattr(self, kind), getattr(self, cached)
            if cheaper is not None:
                again = min(getattr(tokens, cached), getattr(tokens, kind))
                read -= again * (price - cheaper)
        untold = _unpriced_tokens(tokens.output, tokens, _OUTPUT)
        # Thoughts are text, also where a server does not count them as such.
        thought = min(untold, tokens.reasoning)
        made += thought * self.output_text + (untold - thought) * self._dearest(_OUTPUT)
        read += _unpriced_tokens(tokens.input, tokens, _INPUT) * self._dearest(_INPUT)
        return (read + made) / MILLION + tokens.seconds / 60 * self.live_minute

    __call__ = cost

    def _told(self, tokens: Tokens, kinds: Iterable[str]) -> float:
        """What the tokens cost whose kind is known."""
        return sum(float(getattr(tokens, kind) * getattr(self, kind)) for kind in kinds)

    def _dearest(self, kinds: Iterable[str]) -> float:
        return max(float(getattr(self, kind)) for kind in kinds)


def _unpriced_tokens(total: int, tokens: Tokens, kinds: Iterable[str]) -> int:
    """How many tokens of a side are of no kind that is known."""
    return max(0, total - sum(int(getattr(tokens, kind)) for kind in kinds))
