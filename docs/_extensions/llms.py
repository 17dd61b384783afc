"""
``llms.txt``: the documentation as a list of links, for programs that read it.

Beside the pages in HTML stand their sources as text, without what only the tests
run; the list leads to those. It is made from the same tables of contents as the
pages, so it cannot fall behind them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import docname_join

HIDDEN = re.compile(
    r"^(?P<indent> *)\.\. run-(?:hidden|afresh) *\n(?:(?P=indent) +.*\n|[ ]*\n)*", re.M
)
"""A comment that the tests run, with all that is indented below it."""


def write(app: Sphinx, problem: Exception | None) -> None:
    """Write the list and the sources, once the pages are written."""
    if problem is not None or app.builder.name != "html":
        return
    out, env = Path(app.outdir), app.env
    lines = [f"# {app.config.project}", "", f"> {opening(env, 'index')}"]
    for caption, names in contents(env):
        lines += ["", f"## {caption}", ""]
        for name in names:
            source = Path(env.doc2path(name))
            copy = out / f"{name}.txt"
            copy.write_text(visible(source.read_text("utf-8")), "utf-8")
            title = env.titles[name].astext()
            lines.append(f"- [{title}]({name}.txt): {opening(env, name)}")
    (out / "llms.txt").write_text("\n".join(lines) + "\n", "utf-8")


def contents(env: BuildEnvironment) -> Iterator[tuple[str, list[str]]]:
    """Each part of the documentation, and its pages in order."""
    for tree in env.get_doctree("index").findall(addnodes.toctree):
        yield tree["caption"], [
            each for name in tree["includefiles"] for each in below(env, name)
        ]


def below(env: BuildEnvironment, name: str) -> list[str]:
    """A page, and the pages that it lists."""
    inner = env.toctree_includes.get(name, [])
    return [name, *(each for one in inner for each in below(env, one))]


def opening(env: BuildEnvironment, name: str) -> str:
    """First sentence or two of a page."""
    for paragraph in env.get_doctree(name).findall(nodes.paragraph):
        if not isinstance(paragraph.parent, (nodes.entry, nodes.list_item)):
            return " ".join(titled(env, paragraph).astext().split()).rstrip(":")
    return ""


def titled(env: BuildEnvironment, paragraph: nodes.paragraph) -> nodes.paragraph:
    """A paragraph whose links to pages have their titles, as readers see them."""
    shown = paragraph.deepcopy()
    for link in list(shown.findall(addnodes.pending_xref)):
        if link["reftype"] == "doc" and not link["refexplicit"]:
            name = docname_join(link["refdoc"], link["reftarget"])
            link.replace_self(nodes.Text(env.titles[name].astext()))
    return shown


def visible(source: str) -> str:
    """The source of a page as its reader sees it."""
    return HIDDEN.sub("", source)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is done at the end of a build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
