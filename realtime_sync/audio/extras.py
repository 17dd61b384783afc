"""Optional packages, imported when a function first needs them."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ConfigurationError, install_command


def require_extra(package: str, *, why: str, extra: str = "audio") -> Any:
    """
    Import an optional package.

    Args:
        package: name of the package to import.
        why: what it is needed for, as the end of "is needed to ...".
        extra: that installs it.

    Returns:
        The module. Its type is left open: several of these packages have no
        type information, and none of them may be imported to have it checked.

    Raises:
        ConfigurationError: the package is missing, or a library of the
            operating system that it needs is; the message says what to install.
    """
    try:
        return importlib.import_module(package)
    except ImportError as exc:
        raise ConfigurationError(
            f"{package} is needed to {why}; install it with "
            f"{install_command(extra)}"
        ) from exc
    except OSError as exc:
        raise ConfigurationError(
            f"{package} is installed, but a system library that it needs to {why} "
            f"is not ({exc}); on Debian and Ubuntu: apt install libportaudio2"
        ) from exc
