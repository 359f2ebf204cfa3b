"""The runs of experiments that docs/results.md is of: takes them in, and draws them again.

  python -m docs.results --add=OUT --name=gain_mnist
  python -m docs.results
  python -m docs.results --check

The first puts the configurations and histories of an experiment in OUT into docs/results/NAME:
runs.jsonl, a run a line, and command.txt, with DATA_DIR, FEATURES and OUT for its paths. The second
calls each command with those runs, trains nothing, and writes tables and figures beside them; so
does the third, but to see that no table comes out another, and none and no figure is missing or
left over.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).with_name("results")
PATHS = ("data_dir", "features", "out")
# What a run has written of its data, which are not published.
LEFT_OUT = "data"


def add(out, folder):
    """Takes in the runs of an experiment's directory, which must all be there."""
    text = (out / "table.md").read_text()
    command = re.search(r"^\* command: `(.*)`$", text, re.MULTILINE)[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "command.txt").write_text(_without_paths(command) + "\n")
    runs = [_packed(path) for path in sorted((out / "runs").iterdir())]
    lines = [json.dumps(run) + "\n" for run in runs]
    (folder / "runs.jsonl").write_text("".join(lines))


def draw(folder, out):
    """Has the command of a folder write its tables and figures to `out`."""
    for line in (folder / "runs.jsonl").read_text().splitlines():
        _unpack(json.loads(line), out / "runs")
    _, *words = shlex.split((folder / "command.txt").read_text())
    name = next(word.partition("=")[2] for word in words if word.startswith("--name="))
    (out / "config.json").write_text(json.dumps({"experiment": name}))
    words = [f"--out={out}" if word == "--out=OUT" else word for word in words]
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def _drawn(folder):
    """What is drawn of runs in a folder: by the names of files their text, None of figures."""
    figures = dict.fromkeys(path.name for path in folder.glob("*.svg"))
    return figures | {path.name: path.read_text() for path in folder.glob("*.csv")}


def _packed(path):
    """A run: its name, and by their names what its files of JSON hold, and its history."""
    files = {file.stem: json.loads(file.read_text()) for file in sorted(path.glob("[!.]*.json"))}
    files.pop(LEFT_OUT, None)
    for name in PATHS:
        if files["config"].get(name) is not None:
            files["config"][name] = name.upper()
    history = path / "metrics.jsonl"
    rows = history.read_text().splitlines() if history.exists() else []
    return {"run": path.name, "files": files, "metrics": list(map(json.loads, rows))}


def _unpack(run, folder):
    path = folder / run["run"]
    path.mkdir(parents=True)
    for name, content in run["files"].items():
        (path / f"{name}.json").write_text(json.dumps(content))
    if run["metrics"]:
        lines = [json.dumps(row) + "\n" for row in run["metrics"]]
        (path / "metrics.jsonl").write_text("".join(lines))


def _without_paths(command):
    for name in PATHS:
        command = re.sub(rf"--{name}=\S+", f"--{name}={name.upper()}", command)
    return command


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--add", type=pathlib.Path, help="directory of a complete experiment")
    parser.add_argument("--name", help="its folder in docs/results")
    parser.add_argument("--check", action="store_true", help="compare the tables")
    given = parser.parse_args()
    if (given.add is None) != (given.name is None):
        parser.error("--add and --name are given together, or neither")
    if given.add and given.check:
        parser.error("--add makes what --check compares: give one of them")
    if given.add and not (given.add / "table.md").is_file():
        parser.error(
            f"--add must be a complete experiment, with its table.md. Received: {given.add}"
        )
    if given.add:
        add(given.add, FOLDER / given.name)
    folders = sorted(FOLDER.iterdir())
    with (
        tempfile.TemporaryDirectory() as scratch,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        outs = [pathlib.Path(scratch, folder.name) for folder in folders]
        # A command is a process, most of whose time is one core's.
        for folder, out, _ in zip(folders, outs, pool.map(draw, folders, outs), strict=True):
            there, made = _drawn(folder), _drawn(out)
            print(folder.name, *sorted(made))
            if given.check:
                changed = sorted({name for name, _ in there.items() ^ made.items()})
                if changed:
                    sys.exit(f"{folder}: the runs make another {', '.join(changed)}, or none")
                continue
            for name in there:
                (folder / name).unlink()
            for name in made:
                shutil.copy(out / name, folder)


if __name__ == "__main__":
    main()
