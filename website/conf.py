"""Sphinx's settings for the website.

tools/website.py runs Sphinx, and adds the repository's address and the names of the tracks.
"""

from build import Refusal
from docutils.nodes import SkipNode
from mathml import mathml
from sphinx.errors import SphinxError
from sphinx.util.nodes import get_node_source

project = "Generative Models, Built Twice"
language = "en-GB"
extensions = ["myst_nb"]

nb_execution_mode = "off"  # pages show what is committed
nb_ipywidgets_js = {}  # widgets are shown as stills, so nothing of theirs is fetched
myst_enable_extensions = ["dollarmath"]

html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_js_files = ["track.js"]
html_math_renderer = "mathml"
html_copy_source = False
html_use_index = False
html_context = {"default_mode": "auto"}  # dark where the reader's system is
html_theme_options = {
    "repository_branch": "main",
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
    "article_header_start": ["toggle-primary-sidebar.html", "track-switch.html"],
    "use_download_button": False,  # it would offer the copy that the page is made from
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # the sidebar has the search
    "toc_title": "On this page",
    "footer_content_items": ["extra-footer.html"],
    "extra_footer": "Code under the MIT License; prose and figures under CC BY 4.0.",
}


def visit_formula(translator, node):
    """Write a formula as MathML, which browsers show without a script."""
    block = node.tagname == "math_block"
    try:
        formula = mathml(node.astext(), block)
    except Refusal as refusal:
        where = get_node_source(node) or translator.builder.current_docname
        raise SphinxError(f"{where}: {refusal}") from refusal
    kind = "div" if block else "span"
    translator.body.append(f'<{kind} class="math notranslate">{formula}</{kind}>')
    translator.body.append("\n" * block)
    raise SkipNode


def stay_in_track(app, pagename, templatename, context, doctree):
    """Let the links to the previous and next page stay within a page's track."""

    def track(page):
        ending = page.removesuffix(".html").rpartition("_")[2]
        return ending if ending in context["tracks"] else None

    for way in ("prev", "next"):
        if context.get(way) and track(context[way]["link"]) != track(pagename):
            context[way] = None


def setup(app):
    app.add_html_math_renderer("mathml", (visit_formula, None), (visit_formula, None))
    app.connect("html-page-context", stay_in_track)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
