"""
Signatures that are read at a glance, and links from the types in them.

What a default is made of is not shown where it is long, and what only the library
gives to an event is not shown at all. Names of the standard library lead to its
documentation by rule, so that a build needs no network; names of ours that stand
for the public name of the same thing lead there.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

from realtime_sync import events

PYTHON = "https://docs.python.org/3/library/"
LONGEST_DEFAULT = 30
BOOKKEEPING = ("event_id", "raw", "problems")
"""Fields of every event, described once for all of them."""
PAGES = {
    "functions": "bool float frozenset int list object property range str tuple type",
    "stdtypes": "bytearray bytes complex dict list memoryview set str tuple frozenset",
    "constants": "None True False",
}
"""Where a name of the interpreter itself is described, the last page that has it."""


class Shown:
    """A default that is shown by a text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def shorten(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: Any, back: Any
) -> tuple[str, str] | None:
    """Give a class or a function a signature without long defaults."""
    if signature is None or what not in ("class", "exception", "function", "method"):
        return None
    forget_overloads(str(getattr(obj, "__module__", "")))
    if inspect.isclass(obj) and issubclass(obj, events.ServerEvent):
        return "", ""  # The library makes these.
    try:
        whole = inspect.signature(obj)
    except (TypeError, ValueError):
        return None
    kept = [
        parameter.replace(default=shown(parameter.default))
        for parameter in whole.parameters.values()
        if parameter.name != "self" and not parameter.name.startswith("_")
        if not (".events." in name and parameter.name in BOOKKEEPING)
    ]
    short = whole.replace(parameters=kept)
    text = stringify_signature(
        short, show_annotation=False, show_return_annotation=False
    )
    return text, back


def shown(default: Any) -> Any:
    """A default, or dots for what says nothing to a reader."""
    if default is inspect.Parameter.empty:
        return default
    text = repr(default)
    if text == "NOTHING" or text.startswith("<") or len(text) > LONGEST_DEFAULT:
        return Shown("…")
    return default


def forget_overloads(module: str) -> None:
    """Show one signature for a function, not one for each type checker's case."""
    try:
        analyzer = ModuleAnalyzer.for_module(module)
        analyzer.analyze()
    except PycodeError:
        return
    analyzer.overloads.clear()


def found(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element
) -> nodes.Node | None:
    """Lead a name that this documentation lacks to where it is described."""
    if node.get("refdomain") != "py":
        return None
    target = str(node.get("reftarget", ""))
    address = of_python(target)
    if address:
        return nodes.reference(
            "", "", text, internal=False, refuri=address, reftitle=f"Python: {target}"
        )
    public = public_name(env, target)
    if public is None:
        return None
    domain = env.domains["py"]
    node["reftarget"] = public
    return domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", public, node, text
    )


def shorten_types(app: Sphinx, page: nodes.document) -> None:
    """Show types by their names: where they live is what the link is for."""
    for reference in page.findall(pending_xref):
        target = str(reference.get("reftarget", ""))
        if reference.get("reftype") == "class" and reference.astext() == target:
            for text in list(reference.findall(nodes.Text)):
                short = nodes.Text(target.rpartition(".")[2])
                text.parent.replace(text, short)


def of_python(target: str) -> str | None:
    """Address of a name of the standard library."""
    module, _, name = target.rpartition(".")
    if not module:
        value = getattr(builtins, name, None)
        if isinstance(value, type) and issubclass(value, BaseException):
            return f"{PYTHON}exceptions.html#{name}"
        page = [page for page, names in PAGES.items() if name in names.split()]
        return f"{PYTHON}{page[-1]}.html#{name}" if page else None
    if module.split(".")[0] in sys.stdlib_module_names:
        return f"{PYTHON}{module}.html#{target}"
    return None


def public_name(env: BuildEnvironment, target: str) -> str | None:
    """The documented name of what has another name inside the package."""
    last = target.rpartition(".")[2]
    objects = env.domains["py"].objects
    named = [name for name in objects if name.rpartition(".")[2] == last]
    if target.startswith("realtime_sync."):
        thing = value_of(target)
        named = [name for name in named if value_of(name) is thing is not None]
    elif "." in target or not last[:1].isupper():
        return None
    classes = sorted(name for name in named if isinstance(value_of(name), type))
    return classes[0] if len(classes) == 1 else None


def value_of(name: str) -> Any:
    """What a dotted name stands for, or None."""
    module, _, last = name.rpartition(".")
    try:
        return getattr(import_module(module), last, None)
    except ImportError:
        return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is done with each signature and each name."""
    app.connect("autodoc-process-signature", shorten)
    app.connect("doctree-read", shorten_types)
    app.connect("missing-reference", found)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
