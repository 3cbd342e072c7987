"""Sphinx: ``tox run -e docs`` builds the pages of this folder into ``results/docs``.

The pages are plain Markdown that reads as well on a code host. What only the built pages have is put in as they
are read: tables of contents, from the links of ``README.md``; what is generated from the code; files from elsewhere.
"""

import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from generate import filled

from selbench import __version__

HERE = Path(__file__).resolve().parent

project = "selbench"
copyright = "the authors of selbench"
release = version = __version__
root_doc = "README"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["*.py"]
myst_heading_anchors = 4
myst_enable_extensions = ["deflist"]
autodoc_typehints = "none"  # the docstrings state types, with shapes
autodoc_member_order = "bysource"
napoleon_use_ivar = True
html_theme = "furo"
html_title = f"selbench {release}"
html_show_sphinx = False
html_show_copyright = False
templates_path: list[str] = []


def tables_of_contents(text: str) -> str:
    """A hidden table of contents for each ``##`` section of the index that links to pages."""
    parts = []
    for title, body in re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, re.MULTILINE):
        pages = list(dict.fromkeys(re.findall(r"\]\(([\w/-]+)\.md\)", body)))
        if pages:
            listed = "\n".join(pages)
            parts.append(f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{listed}\n```\n")
    return text + "".join(parts)


def outside(docname: str, text: str) -> str:
    """Links to files outside this folder as downloads; links to folders there as plain text."""

    def link(found: re.Match[str]) -> str:
        words, target = found[1], found[2].partition("#")[0]
        file = ((HERE / docname).parent / target).resolve()
        if file.is_relative_to(HERE):
            return found[0]
        if not file.is_file():
            return words
        return f"{{download}}`{words.replace('`', '')} <{target}>`"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)\s]*)\)", link, text)


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    text = filled(source[0])
    if docname == root_doc:
        text = tables_of_contents(text)
    if (HERE / docname).is_dir():  # claims.md has its pages in claims/
        text += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{docname}/*\n```\n"
    source[0] = outside(docname, text)


def start_page(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")


def setup(app: Sphinx) -> None:
    app.connect("source-read", read)
    app.connect("build-finished", start_page)
