"""Checks how much of tfnorm's public interface is annotated: `python tests/types_check.py`.

Pyright reads the package as a user's type checker would. The exit code is 0, or 1 with the names
whose types it does not know where fewer than LEAST of them are known.
"""

import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
LEAST = 0.95  # of the exported names: parameters and results too


def main() -> int:
    """Asks Pyright; returns the exit code."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    # Pyright does not follow the finder that an editable install puts on the path.
    process = subprocess.run(
        [*command, "--verifytypes", "tfnorm", "--ignoreexternal"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    answer = json.loads(process.stdout)
    report = answer.get("typeCompleteness", {})
    if "pyTypedPath" not in report:
        complaints = [each["message"] for each in answer["generalDiagnostics"]]
        print("types check: Pyright finds no annotated package:", *complaints, file=sys.stderr)
        return 1
    score = report["completenessScore"]
    print(f"Of tfnorm's public names {score:.1%} have a known type; at least {LEAST:.0%} must.")
    if score >= LEAST:
        return 0
    for symbol in report["symbols"]:
        if symbol["isExported"] and not symbol["isTypeKnown"]:
            print(f"  {symbol['name']}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
