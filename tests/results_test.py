"""The runs that are published, drawn again by `docs.results`: what its check finds."""

import pytest

from docs import results


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose runs make a table and a figure, as it has them."""

    def draw(folder, out):
        out.mkdir()
        (out / "table.csv").write_text("a\n1\n")
        (out / "figure.svg").write_text(str(out))  # two drawings differ

    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(results, "draw", draw)
    draw(None, tmp_path / "one")
    (tmp_path / "one/runs.jsonl").write_text("")
    return tmp_path / "one"


def call(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["docs.results", *words])
    results.main()


def test_what_is_as_the_runs_make_it_passes(folder, monkeypatch):
    call(monkeypatch, "--check")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("table.csv", lambda path: path.write_text("a\n2\n")),
        ("table.csv", lambda path: path.unlink()),
        ("figure.svg", lambda path: path.unlink()),
        ("old.csv", lambda path: path.write_text("a\n1\n")),
        ("old.svg", lambda path: path.write_text("")),
    ],
)
def test_what_the_runs_make_another_is_found_and_mended(folder, monkeypatch, name, change):
    change(folder / name)
    with pytest.raises(SystemExit, match=f"the runs make another {name}"):
        call(monkeypatch, "--check")
    call(monkeypatch)
    call(monkeypatch, "--check")
    assert {path.name for path in folder.iterdir()} == {"table.csv", "figure.svg", "runs.jsonl"}


def test_what_is_added_is_not_compared(folder, monkeypatch, capsys):
    (folder / "table.md").write_text("")
    with pytest.raises(SystemExit):
        call(monkeypatch, f"--add={folder}", "--name=two", "--check")
    assert "--add makes what --check compares: give one of them" in capsys.readouterr().err
