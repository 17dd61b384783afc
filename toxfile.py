"""Lets `tox -m versions` find the interpreters that pyenv has, chosen or not."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))

# At the end: what the shell would find comes first.
for _bin in sorted(_ROOT.glob("versions/3.*/bin")):
    os.environ["PATH"] += os.pathsep + str(_bin)
