"""Rows as a data frame, for who has pandas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Optional

from attrs import asdict

from ..errors import ConfigurationError, install_command
from .tokens import Tokens

if TYPE_CHECKING:
    from pandas import DataFrame


def data_frame(
    rows: Iterable[Mapping[str, Any]], columns: Optional[Sequence[str]] = None
) -> DataFrame:
    """
    Make a data frame of flat rows. Pandas is loaded when this is called.

    Args:
        rows: by column.
        columns: in their order; without rows they are there all the same.

    Raises:
        ConfigurationError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as exc:
        raise ConfigurationError(
            f"a data frame needs pandas: {install_command('jupyter')}"
        ) from exc
    return pandas.DataFrame(list(rows), columns=columns)


def token_columns(usage: object) -> dict[str, int]:
    """
    What a response took, as columns ``input_audio_tokens`` and so on.

    Args:
        usage: see `Tokens.of`.
    """
    return {f"{name}_tokens": n for name, n in asdict(Tokens.of(usage)).items()}
