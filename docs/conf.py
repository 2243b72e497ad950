"""How Sphinx builds the manual; `make docs` runs it with warnings as errors."""

from __future__ import annotations

import re

import latex2mathml.converter
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.util.inspect import TypeAliasForwardRef

import saddleproof
from saddleproof import words

project = "saddleproof"
author = "the saddleproof developers"
copyright = author  # noqa: A001 - Sphinx asks for this name
version = release = saddleproof.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

# Docstrings name things in single backticks: what Sphinx can find becomes a link, the rest code.
default_role = "py:obj"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"Vector": "Vector", "Array": "Array", "Question": "Question"}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autoclass_content = "class"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [("Status", "params_style")]

# Sphinx would print TypeAliasForwardRef('Vector') for the alias `Vector`.
TypeAliasForwardRef.__repr__ = lambda alias: alias.name

# A prime is a prime: w' is a point.
smartquotes = False

html_theme = "furo"
html_math_renderer = "mathml"
html_title = "saddleproof"
html_show_copyright = False


def plain_text(*arguments):
    """Docstrings are written to be read as text: |x| is a norm there, and no markup.

    A formula is a paragraph that is indented below one that is not; it stays as it was typed.
    """
    lines = arguments[-1]  # app, what, name, object and options come first
    paragraphs, above = [], ""
    for paragraph in "\n".join(lines).split("\n\n"):
        if paragraph.startswith("    ") and not above.startswith(" "):
            paragraphs.append("::")
            paragraphs.append(paragraph)
            continue
        paragraphs.append(paragraph if ">>>" in paragraph else escaped(paragraph))
        above = paragraph.splitlines()[-1] if paragraph else above
    lines[:] = [*"\n\n".join(paragraphs).splitlines(), ""]


def escaped(text):
    """The text with markup's letters made harmless outside of `code`."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([|*])|_(?=\W|$)", lambda m: "\\" + m[0], part) for part in parts[::2]]
    return "`".join(parts)


class Words(Directive):
    """The members of an enumeration of `saddleproof.words`, each with its sentence."""

    required_arguments = 1

    def run(self):
        """A definition list, so that long sentences wrap."""
        entries = nodes.definition_list()
        for word in getattr(words, self.arguments[0]):
            term = nodes.term("", "", nodes.literal(text=str(word)))
            sentence = nodes.definition("", nodes.paragraph(text=f"{word.sentence}."))
            entries += nodes.definition_list_item("", term, sentence)
        return [entries]


def formula(writer, node):
    """A formula as MathML, which browsers draw without any script."""
    display = "block" if isinstance(node, nodes.math_block) else "inline"
    text = latex2mathml.converter.convert(node.astext(), display=display)
    writer.body.append(f"<div>{text}</div>" if display == "block" else text)
    raise nodes.SkipNode


def setup(app):
    """Called by Sphinx."""
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.add_directive("words", Words)
    # Before napoleon (500), which would read the docstrings as markup.
    app.connect("autodoc-process-docstring", plain_text, priority=400)
