"""Docstrings as the site's parser takes them: an extension of Griffe, named in mkdocs.yml.

A line may name several arguments, `beta_initializer, gamma_initializer: as in ...`, over two lines
where they are many; the parser takes one a line. And it knows no section `Call arguments:`, whose
lines it would run together.
"""

import re

from griffe import Extension

# An entry of a section: names, perhaps over several lines, a colon, and what they are.
SEVERAL = re.compile(
    r"^(?P<indent> +)(?P<names>\w+(?:,\s+\w+)+): (?P<text>.*(?:\n(?P=indent) +\S.*)*)", re.MULTILINE
)
CALL = re.compile(r"^Call arguments:\n(?P<entries>(?:(?: +.*)?\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(\w+):", re.MULTILINE)


def one_a_line(text):
    """Entries of several names as one for each name."""

    def split(found):
        names = re.split(r",\s+", found["names"])
        return "\n".join(f"{found['indent']}{name}: {found['text']}" for name in names)

    return SEVERAL.sub(split, text)


def listed_call(text):
    """The section of a call's arguments as a list below a heading of its own."""

    def as_list(found):
        entries = re.sub(r"\n {4}(?= )", "\n", ENTRY.sub(r"* **`\1`**:", found["entries"]))
        return f"**Call arguments:**\n\n{entries}"

    return CALL.sub(as_list, text)


class Docstrings(Extension):
    """Rewrites each docstring before it is parsed."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = listed_call(one_a_line(obj.docstring.value))
