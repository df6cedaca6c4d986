"""How Sphinx builds the site: `make site` reads the pages of this folder, and asks the network for nothing."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "extensions"), str(Path(__file__).parents[1])]

project = "orch"
author = "the authors of orch"
project_copyright = author
release = version_of("orch-grid")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "docstrings",
    "repository_links",
    "row_anchors",
]
exclude_patterns = ["extensions"]
root_doc = "index"
needs_sphinx = "8.0"

myst_heading_anchors = 4  # a page is linked to by its headings, as on GitHub

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "model_config,model_post_init"}
add_module_names = False
default_role = "code"  # docstrings mark code with one backtick

html_theme = "furo"
html_title = f"orch {release}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {
    "source_repository": "https://github.com/orch-grid/orch/",
    "source_branch": "main",
    "source_directory": "docs/",
}
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
