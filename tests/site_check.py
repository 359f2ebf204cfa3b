"""Builds the site of docs/ and checks it: `python -m tests.site_check`, half a minute.

MkDocs finds dead links, and pages without a place in the navigation. Beyond that, nothing may be
loaded from the network, and every public name has its signature in the reference. The exit code is
0, or 1 with a line that says what is wrong.
"""

import html.parser
import os
import pathlib
import subprocess
import sys
import tempfile

from tests.public_names import place_of, public_names
from tests.sources import ROOT

# Of these elements, the attributes that a browser follows by itself.
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(html.parser.HTMLParser):
    """What a page loads, and which places in it have names."""

    def __init__(self, text):
        super().__init__()
        self.loaded, self.places = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given:
            self.places.add(given["id"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loaded.append(given[LOADED[tag]])


def wrong_in(site):
    """What is wrong with a site that was built, line by line."""
    places = set()
    for path in sorted(site.rglob("*.html")):
        page = Page(path.read_text("utf-8"))
        places |= page.places
        for address in page.loaded:
            if address.startswith(("http:", "https:", "//")):
                yield f"{path.relative_to(site)} loads {address}"
    for name in public_names():
        if place_of(name) not in places:
            yield f"{name} is not in the reference"


def main():
    """Builds the site in a temporary folder; returns the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", folder]
        environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        if subprocess.run(command, cwd=ROOT, env=environment).returncode:
            return 1
        wrong = list(wrong_in(pathlib.Path(folder)))
    print("\n".join(wrong) or "the site is whole")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
