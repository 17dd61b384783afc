"""Exporters of OpenTelemetry that keep what they get."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.telemetry.exported import Exported


@pytest.fixture
def exported() -> Iterator[Exported]:
    """Providers of this test alone."""
    made = Exported()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()
