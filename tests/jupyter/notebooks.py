"""Notebooks made in code, and a kernel to run their cells in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent.parent


class Notebook:
    """
    A notebook that is open in a kernel.

    Args:
        client: with a kernel that runs.
    """

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self._count = 0

    def run(self, number: int) -> Any:
        """Run a cell, as one does by hand; returns it with its outputs."""
        self._count += 1
        cell = self._client.nb.cells[number]
        return self._client.execute_cell(cell, number, execution_count=self._count)

    def evaluate(self, source: str) -> str:
        """What an expression prints in the kernel, from a cell of its own."""
        return self.run_source(f"print({source})")

    def run_source(self, source: str) -> str:
        """What some code prints in the kernel, from a cell of its own."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        done = self.run(len(self._client.nb.cells) - 1)
        return "".join(each.get("text", "") for each in done.outputs).strip()

    @property
    def cells(self) -> list[Any]:
        """The cells, with their outputs as they are now."""
        return list(self._client.nb.cells)

    def shown(self, number: int) -> str:
        """All that stands below a cell, as text."""
        return "\n".join(
            each.get("text", "") or "\n".join(map(str, each.get("data", {}).values()))
            for each in self.cells[number].outputs
        )

    @property
    def kernel(self) -> Any:
        """The kernel's manager."""
        return self._client.km


@contextmanager
def opened(sources: list[str], folder: Path, **environment: str) -> Iterator[Notebook]:
    """A notebook with these cells in a kernel that ends with the block."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in sources]
    )
    client = NotebookClient(
        notebook,
        timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    inherited = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
    with client.setup_kernel(env={**inherited, **environment}):
        yield Notebook(client)
