"""How Sphinx builds these pages; `scripts/docs` calls it."""

project = "Holdfast"
author = "the Holdfast authors"
html_title = project
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["pages.css"]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

exclude_patterns = ["_build"]
