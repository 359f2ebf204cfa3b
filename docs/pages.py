"""Pages of the site that are not files of docs/ as they are: hooks of mkdocs.yml.

CHANGELOG.md and CONTRIBUTING.md, which stand beside README.md, are pages too, and so are notebooks,
with what their cells have printed and drawn; a command that ends with `--help` has what it prints
below it.
"""

import functools
import os
import pathlib
import re
import subprocess
import sys

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).absolute().parents[1]
BESIDE_README = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
HELP = re.compile(r"^```\npython -m (\S+) --help\n```$", re.MULTILINE)


def on_files(files, config):
    """Adds the pages that stand beside README.md, and puts pages in the place of notebooks."""
    for name in BESIDE_README:
        text = (ROOT / name).read_text("utf-8")
        # What is in the site is linked there, and the rest is only named.
        text = re.sub(r"\]\(docs/", "](", text)
        files.append(File.generated(config, name, content=text))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        page = pathlib.PurePosixPath(file.src_uri).with_suffix(".md")
        text, pictures = page_of(pathlib.Path(file.abs_src_path))
        files.append(File.generated(config, str(page), content=text))
        for name, content in pictures.items():
            files.append(File.generated(config, str(page.parent / name), content=content))
    return files


def page_of(notebook):
    """A notebook as Markdown, and the pictures that it shows, by name."""
    from nbconvert import MarkdownExporter

    name = notebook.stem
    resources = {"unique_key": name, "output_files_dir": f"{name}_files"}
    text, resources = MarkdownExporter().from_filename(str(notebook), resources=resources)
    return text, resources["outputs"]


def on_page_markdown(markdown, page, config, files):
    """Links to pages where they are in the site; puts help below commands."""
    names = "|".join(map(re.escape, BESIDE_README))
    markdown = re.sub(rf"\]\(\.\./({names})\)", r"](\1)", markdown)
    markdown = re.sub(r"\]\(([\w/]+)\.ipynb\)", r"](\1.md)", markdown)
    return HELP.sub(lambda found: f"``` {{.text .help}}\n{help_of(found[1])}\n```", markdown)


@functools.cache
def help_of(program):
    """What a program prints with --help."""
    command = [sys.executable, "-m", program, "--help"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "COLUMNS": "88",
    }
    printed = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return printed.stdout.strip()
