"""Recordings in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from .calls import HOSTILE, good_call, spoken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two calls, of which one has faults, and a file that is none."""
    calls = tmp_path / "calls"
    calls.mkdir()
    for name, call in (("good", good_call()), ("late", spoken(HOSTILE, late=0.5))):
        text = "\n".join(call.text())
        (calls / f"{name}.jsonl").write_text(text, encoding="utf-8")
    (calls / "torn.jsonl").write_text("not JSON\n", encoding="utf-8")
    return calls
