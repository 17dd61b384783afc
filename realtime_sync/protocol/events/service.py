"""Events of the service itself: ``error`` and ``rate_limits.updated``."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from ...types import OrUnset
from ..fields import required
from ..responses import ErrorDetails, RateLimit
from ._base import ServerEvent


@frozen(kw_only=True, slots=False)
class Error(ServerEvent):
    """
    Something the client sent was refused, or the server has trouble.

    Most errors leave the session as it was. A response that fails is not
    reported here but by `ResponseDone`.

    Attributes:
        error: what is wrong. Its ``event_id`` is that of the client's command. Its
            ``code`` is ``invalid_parameter`` with an empty ``param`` for an update
            of another type of session, ``invalid_model`` for a model in a
            transcription session, and ``invalid_intent`` for an intent that there
            is not; the connection is closed after the last two.
    """

    type: ClassVar[Literal["error"]] = "error"
    error: OrUnset[ErrorDetails] = required()


@frozen(kw_only=True, slots=False)
class RateLimitsUpdated(ServerEvent):
    """
    What is left of the account's limits. Comes before or after a response.

    The beta names requests and tokens, and sets tokens aside for a response until
    it has ended; GA names tokens, after the response.

    Attributes:
        rate_limits: one entry per limit; may be empty.
    """

    type: ClassVar[Literal["rate_limits.updated"]] = "rate_limits.updated"
    rate_limits: OrUnset[tuple[RateLimit, ...]] = required()
