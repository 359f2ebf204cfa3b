"""The site of docs/, read as text: each page has a way to it, and no link leads nowhere."""

import pathlib
import re

import pytest

from tests.public_names import place_of, public_names
from tests.sources import ROOT

DOCS = ROOT / "docs"
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES = sorted(DOCS.rglob("*.md"))


def navigation() -> list[str]:
    """The files in the navigation of mkdocs.yml, in order."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    return re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.(?:md|ipynb))$", text.split("\nnav:\n")[1], re.M)


def links(text: str) -> list[str]:
    """Where Markdown links and pictures lead within the checkout, without the place in a page."""
    outside_code = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", outside_code)
    found = [link.partition("#")[0] for link in found if not link.startswith("http")]
    return [link for link in found if link]


def test_links_are_found():
    text = "[a](b.md) ![c](d.png#e) [f](https://g) `[h](i)`\n```\n[j](k)\n```\n[l](#m)"
    assert links(text) == ["b.md", "d.png"]


@pytest.mark.parametrize("path", [*TEXTS, *PAGES], ids=lambda path: path.name)
def test_a_link_leads_somewhere(path):
    led = {link: path.parent / link for link in links(path.read_text("utf-8"))}
    assert [link for link, target in led.items() if not target.exists()] == []


def test_each_page_is_in_the_navigation_once():
    found = [path for path in DOCS.rglob("*") if path.suffix in (".md", ".ipynb")]
    pages = [path.relative_to(DOCS).with_suffix(".md").as_posix() for path in found]
    beside = [name for name in navigation() if (ROOT / name).is_file()]
    assert sorted(navigation()) == sorted([*pages, *beside])


def test_each_picture_is_in_a_page():
    shown = {
        (path.parent / link).resolve()
        for path in [*TEXTS, *PAGES]
        for link in links(path.read_text("utf-8"))
    }
    pictures = {path for path in DOCS.iterdir() if path.suffix in (".png", ".svg")}
    assert pictures - shown == set()


def test_the_reference_has_every_public_name_once():
    documented = [
        name
        for path in (DOCS / "reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", path.read_text("utf-8"), re.M)
    ]
    documented.remove("tfnorm.functional")  # its heading
    assert sorted(documented) == sorted(map(place_of, public_names()))


def test_the_reference_has_every_program():
    text = (DOCS / "reference/programs.md").read_text("utf-8")
    folders = ("gan", "classify", "tfnorm/benchmark")
    programs = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for folder in folders
        for path in pathlib.Path(ROOT, folder).glob("*.py")
        if 'if __name__ == "__main__"' in path.read_text("utf-8")
    }
    told = {name.removesuffix(".__main__") for name in programs} - {"gan", "classify"}
    assert set(re.findall(r"^python -m (\S+) --help$", text, re.M)) == told
