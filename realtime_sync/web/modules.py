"""
JavaScript modules as one, for where only one is taken: the output of a notebook.

A page loads the same files one by one; there is no build.
"""

from __future__ import annotations

import json
import re

from .static_files import static_text

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(?P<name>[a-z0-9_-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?!default)", re.M)


def bundled(name: str, **texts: str) -> str:
    """
    A module with those that it imports in front of it.

    Names at the top of the modules must differ from each other.

    Args:
        name: such as ``talk_widget.js``.
        texts: name of a constant -> name of a file, whose text it is.
    """
    constants = [
        f"const {constant} = {json.dumps(static_text(file))};\n"
        for constant, file in texts.items()
    ]
    found: dict[str, str] = {}
    _collect_modules(name, found)
    return "".join(constants) + "\n".join(found.values())


def _collect_modules(name: str, found: dict[str, str]) -> None:
    if name in found:
        return
    text = static_text(name)
    for each in _IMPORT.finditer(text):
        _collect_modules(each["name"], found)
    found[name] = _EXPORT.sub("", _IMPORT.sub("", text))
