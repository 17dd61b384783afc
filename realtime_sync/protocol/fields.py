"""
How the fields of events, items and configurations are declared.

Three kinds of field are told apart by their annotation:

* ``item_id: OrUnset[str] = required()``: the protocol has it always; a server may
  leave it out all the same, and then it is `UNSET`.
* ``status: MaybeText = UNSET``: the protocol has it sometimes.
* ``item_id: str`` without a default, on a command: the caller must give it.

Classes that callers build pass ``field_transformer=checked``, which compares
every argument with its annotation, so that a mistake fails at the caller's
line. What comes from the wire is checked by `structure` instead, which never
calls ``__init__``.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Optional, Union

from attrs import NOTHING, Attribute, AttrsInstance, field

from ..types import UNSET, Unset
from . import sensitive
from .type_shapes import Shape, describe_shape, fits_shape, shapes_of

Validator = Callable[[Any, "Attribute[Any]", Any], Any]

MaybeText = Union[str, None, Unset]
MaybeInt = Union[int, None, Unset]
MaybeFloat = Union[float, None, Unset]
MaybeBool = Union[bool, None, Unset]
MaybeAny = Union[Any, Unset]

AUDIO = "audio"
"""Metadata key: the field is bytes here and base64 on the wire."""

REQUIRED = "required"
"""Metadata key: the protocol always has the field, whatever a server does."""

EXTRA = "extra"
"""Metadata key: the field collects what the protocol does not know."""


ALSO = "also"
"""Metadata key: other names that servers have for the field, where it is text."""


def required(*, also: tuple[str, ...] = ()) -> Any:
    """
    Declare a field that the protocol always has.

    A server may leave it out all the same. It is `UNSET` then, and its annotation
    says so: ``OrUnset[str]``.

    Args:
        also: names under which the text is looked for where the field is left out.
    """
    return field(default=UNSET, metadata={REQUIRED: True, ALSO: also})


def text_field(*, also: tuple[str, ...]) -> Any:
    """Declare text that the protocol has sometimes, and servers by other names."""
    return field(default=UNSET, metadata={ALSO: also})


def audio_field(*, required: bool = False) -> Any:
    """Declare a field that holds audio; the protocol may always have it."""
    return field(
        default=UNSET,
        converter=_to_optional_audio_field,
        repr=_shown_audio_of_field,
        metadata={AUDIO: True, REQUIRED: required},
    )


def given_audio() -> Any:
    """Declare audio that the caller must give."""
    return field(converter=to_audio, repr=_shown_audio_of_field, metadata={AUDIO: True})


def secret(*, required: bool = False) -> Any:
    """Declare a field that no repr may show."""
    return field(
        default=UNSET, repr=_shown_secret_of_field, metadata={REQUIRED: required}
    )


def free(*, required: bool = False) -> Any:
    """Declare a field in which anything may be, secrets too."""
    return field(default=UNSET, repr=_shown_field, metadata={REQUIRED: required})


def given_freely() -> Any:
    """Declare a field that the caller must give, in which anything may be."""
    return field(repr=_shown_field)


def extra_fields() -> Any:
    """Declare the field that holds what the protocol does not know."""
    return field(factory=dict, repr=_shown_field, metadata={EXTRA: True})


def sequence() -> Any:
    """Declare an optional field that holds several values in order."""
    return field(default=UNSET, converter=_to_optional_tuple_field, repr=_shown_field)


def given_sequence() -> Any:
    """Declare a field that holds several values in order, always given."""
    return field(converter=to_tuple, repr=_shown_field)


def _shown_audio_of_field(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else repr(value)


def _shown_secret_of_field(value: object) -> str:
    return sensitive.HIDDEN if value else repr(value)


def _shown_field(value: object) -> str:
    if isinstance(value, tuple):
        return repr(tuple(map(sensitive.hidden_sensitive, value)))
    return repr(sensitive.hidden_sensitive(value))


def count(default: object = NOTHING) -> Any:
    """Declare a whole number that is not negative, such as milliseconds."""
    return field(default=default, validator=_check_field_not_negative)


def checked(cls: type, fields: list[Attribute[Any]]) -> list[Attribute[Any]]:
    """Make ``__init__`` compare every argument with its annotation."""
    return [each.evolve(validator=_field_fits_and(each.validator)) for each in fields]


def _field_fits_and(given: Optional[Validator]) -> Validator:
    if given is None:
        return _check_field_shape

    def validate(
        instance: AttrsInstance, attribute: Attribute[Any], value: object
    ) -> None:
        _check_field_shape(instance, attribute, value)
        given(instance, attribute, value)

    return validate


@lru_cache(maxsize=None)
def _shapes_of_fields(cls: type) -> dict[str, Shape]:
    return shapes_of(cls)


def _check_field_shape(
    instance: AttrsInstance, attribute: Attribute[Any], value: object
) -> None:
    if value is UNSET:
        return
    shape = _shapes_of_fields(type(instance))[attribute.name]
    if not fits_shape(value, shape):
        raise TypeError(
            f"{_field_owner(instance)}: {attribute.name} must be "
            f"{describe_shape(shape)}, not {type(value).__name__}"
        )


def _check_field_not_negative(
    instance: object, attribute: Attribute[Any], value: object
) -> None:
    if isinstance(value, int) and value < 0:
        raise ValueError(
            f"{_field_owner(instance)}: {attribute.name} must not be negative: {value}"
        )


def _field_owner(instance: object) -> str:
    kind = getattr(instance, "type", None)
    return kind if isinstance(kind, str) else type(instance).__name__


def field_of(value: object, name: str) -> Any:
    """Return a field of an object or of a mapping; None for what is not there."""
    if isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)


def to_tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    """Make a tuple of any iterable that is neither text nor a mapping."""
    if isinstance(value, (str, bytes, dict)):
        raise TypeError(f"expected a list or a tuple, not {type(value).__name__}")
    return tuple(value)


def _to_optional_tuple_field(
    value: Union[Iterable[Any], None, Unset],
) -> Union[tuple[Any, ...], None, Unset]:
    if value is None or value is UNSET:
        return value
    return to_tuple(value)


def to_audio(value: object) -> bytes:
    """
    Make audio bytes of anything that holds samples.

    Bytes are taken as they are. Arrays of 16-bit integers become little-endian
    PCM; arrays of floating-point samples in [-1, 1] are scaled to 16 bits.

    Raises:
        TypeError: the value is text, or holds something else than samples.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        raise TypeError(
            "audio must be bytes, not str: pass the raw samples, not base64"
        )
    samples: Any = value  # No type says so before Python 3.12.
    try:
        view = memoryview(samples)
    except TypeError:
        raise TypeError(
            f"audio must be bytes or an array of samples, not {type(value).__name__}"
        ) from None
    if view.format in ("B", "b", "c"):
        return view.tobytes()
    if view.format in ("h", "<h"):
        return _little_endian_field(array("h", view.tobytes()))
    if view.format in ("f", "d"):
        floats = array(view.format, view.tobytes())
        return _little_endian_field(array("h", map(_to_int16_of_field, floats)))
    raise TypeError(
        f"audio samples must be 16-bit integers or floats, not {view.format!r}"
    )


def _to_int16_of_field(sample: float) -> int:
    return round(max(-1.0, min(1.0, sample)) * 32767)


def _little_endian_field(samples: array[int]) -> bytes:
    if sys.byteorder == "big":  # pragma: no cover
        samples.byteswap()
    return samples.tobytes()


def _to_optional_audio_field(
    value: object,
) -> Union[bytes, None, Unset]:
    if value is None or value is UNSET:
        return value
    return to_audio(value)
