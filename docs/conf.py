"""Sphinx configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import realtime_sync

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "realtime-sync"
author = "realtime-sync contributors"
copyright = f"2026, {author}"
version = release = realtime_sync.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "tables",
]
exclude_patterns = ["_build"]
default_role = "py:obj"
highlight_language = "python"

html_theme = "furo"
html_title = "realtime-sync"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_class_signature = "separated"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
