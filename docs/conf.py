"""Sphinx configuration."""

from __future__ import annotations

import facematch

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
nitpicky = False
