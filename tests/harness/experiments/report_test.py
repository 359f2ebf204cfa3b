"""Reports: tables as Markdown and CSV."""

import csv

from harness.experiments.report import Report, machine

ROWS = [
    {"norm": "bn", "distance": 30.264, "runs": 15, "at": None},
    {"norm": "cd, 64", "distance": None, "runs": 0, "at": "A"},
]


def test_tables_are_below_the_heading_and_in_files_of_their_own(tmp_path):
    report = Report(tmp_path, "stability", ["command: `x`", "seed: 0"])
    report.write(table=("Best.", ROWS), runs=("All.", ROWS[:1]))
    assert (tmp_path / "table.md").read_text() == (
        "# stability\n\n* command: `x`\n* seed: 0\n"
        "\nBest.\n\n| norm | distance | runs | at |\n| --- | --- | --- | --- |\n"
        "| bn | 30.26 | 15 | - |\n| cd, 64 | - | 0 | A |\n"
        "\nAll.\n\n| norm | distance | runs | at |\n| --- | --- | --- | --- |\n"
        "| bn | 30.26 | 15 | - |\n"
    )
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {"norm": "bn", "distance": "30.264", "runs": "15", "at": ""}
    assert rows[1]["norm"] == "cd, 64" and rows[1]["distance"] == ""
    assert (tmp_path / "table.tex").read_text() == (
        "\\begin{tabular}{lrrl}\n\\toprule\nnorm & distance & runs & at \\\\\n\\midrule\n"
        "bn & 30.26 & 15 & - \\\\\ncd, 64 & - & 0 & A \\\\\n\\bottomrule\n\\end{tabular}\n"
    )
    assert (tmp_path / "runs.csv").read_text().splitlines()[1:] == ["bn,30.264,15,"]
    assert report / "figure.png" == tmp_path / "figure.png"


def test_what_means_something_to_latex_is_escaped(tmp_path):
    Report(tmp_path, "x", []).write(table=("", [{"a_1 & b": "50% of {x}^2 ~ $#\\"}]))
    lines = (tmp_path / "table.tex").read_text().splitlines()
    assert lines[2] == r"a\_1 \& b \\"
    assert lines[4] == (
        r"50\% of \{x\}\textasciicircum{}2 \textasciitilde{} \$\#\textbackslash{} \\"
    )


def test_the_machine_is_a_line():
    (line,) = machine().splitlines()
    assert "cores" in line and "TensorFlow 2." in line
