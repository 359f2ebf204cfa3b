"""Runs each Python block of a Markdown file: python tests/readme_blocks.py README.md

Every block runs in a process and a folder of its own, so that none leans on another or on the
checkout, but for those that begin with `# From a checkout.` The first that fails ends the program
with exit code 1 and the block's line.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

OPENING = "```python"
CLOSING = "```"
CHECKOUT = "# From a checkout."
ROOT = pathlib.Path(__file__).resolve().parents[1]


def python_blocks(text: str) -> list[tuple[int, str]]:
    """The blocks between ```python and ```, each with the number of its first line."""
    blocks = []
    lines = iter(enumerate(text.splitlines(), start=1))
    for opened, line in lines:
        if line.rstrip() != OPENING:
            continue
        block = []
        for _, inner in lines:
            if inner.rstrip() == CLOSING:
                break
            block.append(inner)
        else:
            raise ValueError(f"a {OPENING} block must be closed. Received: line={opened}")
        blocks.append((opened + 1, "\n".join(block) + "\n"))
    return blocks


def run_block(first_line: int, source: str, path: pathlib.Path) -> bool:
    """Whether `source`, a block of the file `path`, runs to its end, in a temporary folder.

    What runs has the name of that file, and starts with empty lines, so that a traceback shows the
    lines of the Markdown file.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, path.name)
        script.write_text("\n" * (first_line - 1) + source, "utf-8")
        own = {"PYTHONPATH": str(ROOT)} if source.startswith(CHECKOUT) else {}
        done = subprocess.run([sys.executable, script], cwd=folder, env=os.environ | own)
        return done.returncode == 0


def main(path: pathlib.Path) -> int:
    """Runs the blocks of the file in order; returns the exit code."""
    blocks = python_blocks(path.read_text("utf-8"))
    if not blocks:
        print(f"{path}: has no {OPENING} block", file=sys.stderr)
        return 1
    for first_line, source in blocks:
        print(f"{path}:{first_line}: running the Python block", flush=True)
        if not run_block(first_line, source, path):
            print(f"{path}:{first_line}: the Python block that starts here failed", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
