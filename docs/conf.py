"""Sphinx configuration."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import realtime_sync

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

# The help of commands is printed for a page, not for a terminal.
os.environ["COLUMNS"] = "80"
os.environ["NO_COLOR"] = "1"

project = "realtime-sync"
author = "realtime-sync contributors"
copyright = f"2026, {author}"
version = release = realtime_sync.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "llms",
    "rooms",
    "signatures",
    "tables",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
# Two classes may have one name: an exception and what the server says of an error.
suppress_warnings = ["ref.python"]
nitpick_ignore_regex = [
    # Types of annotations, and names in docstrings that are not ours.
    ("py:class", ".*"),
    ("py:obj", r"(?!realtime_sync\.).*"),
    ("py:exc", r"(?!realtime_sync\.).*"),
    # Rooms behind the public names.
    ("py:obj", r"realtime_sync\.(protocol|state|transport)\..*"),
    ("py:obj", r"realtime_sync\.testing\.plugin"),
]

html_theme = "furo"
html_title = "realtime-sync"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# What is copied can be pasted: without prompts, and without what was printed.
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
copybutton_selector = "div:not(.highlight-text) > div.highlight > pre"
