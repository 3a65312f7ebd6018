"""Sphinx configuration."""

from __future__ import annotations

from typing import Any

import facematch
from facematch import errors, protocols

project = "facematch"
author = "The facematch authors"
copyright = "2026, The facematch authors"
version = release = facematch.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx"]
intersphinx_mapping: dict[str, tuple[str, None]] = {}
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "pictures", "results"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "facematch"
html_static_path = ["_static"]
html_css_files = ["facematch.css"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
nitpicky = True
_ANNOTATED = r"annotated_types\..*|_PydanticGeneralMetadata|AfterValidator|Field|check_capture_basis"
_RULES = r"facematch\.governance\.policy\.(rules|requests)\..*|(alerts|enrollment|operations|scope|threshold)\.\w+"
_TABLES = r"facematch\.models\.(manifest|sessions\.onnx)\.\w+|(Detector|Embedder|Quality)Model|Source|Threshold|Use"
nitpick_ignore_regex = [
    # other projects: their inventories need a network, which a build has not
    (r"py:.*", r"(numpy|np|datetime|collections|os|pathlib|pydantic|typing|fractions|threading|sqlalchemy)\..*"),
    # parts of annotations that are no names, and a type variable
    (r"py:.*", rf".*(=|\[).*|{_ANNOTATED}|facematch\.types\.index\.T"),
    # aliases of annotated strings
    (r"py:class", r"_?Sha256|Name|FileName|UtcTime|Actor|Site|ZoneName|Reference"),
    # what a watchlist makes its parts from
    (r"py:class", r"facematch\.(watchlist\.session\.Session|storage\..*|governance\.audit\.checkpoint\.AuditSigner)"),
    # tables of a document: reference/policy-rules.md and how-to/packs.md describe them
    (r"py:class", rf"{_RULES}|facematch\.governance\.policy\.policy\.RuleText|{_TABLES}"),
]
_HOMES = {
    "facematch": facematch.__all__,
    "facematch.errors": errors.__all__,
    "facematch.protocols": protocols.__all__,
}


def link_by_public_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """A link by the module that something lies in, or by its bare name, leads to its public name."""
    if node.get("refdomain") != "py":
        return None
    parts = node["reftarget"].split(".")
    found = ((home, number) for home, names in _HOMES.items() for number, part in enumerate(parts) if part in names)
    for home, number in found:
        target = ".".join([home, *parts[number:]])
        domain = env.get_domain("py")
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)
    return None


def setup(app: Any) -> None:
    app.connect("missing-reference", link_by_public_name)
