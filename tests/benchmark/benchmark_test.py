"""The benchmark's bookkeeping; its figures are nobody's test."""

import json
import types

import keras
import pytest

import tfnorm
from tests import descriptors
from tfnorm.benchmark import __main__ as program
from tfnorm.benchmark import ending, machine, measuring, picture, table, torch_batch_norm
from tfnorm.benchmark.candidates import candidates, layer_names
from tfnorm.benchmark.fused import FusedBatchNormalization
from tfnorm.benchmark.kinds import KINDS


def test_candidates_are_the_unit_keras_own_and_each_method_by_group_size():
    layers = candidates(["cd", "unitization"], [4, 16, None], channels=8)
    own = [("fused", None), ("bn", None)]
    assert list(layers) == [*own, ("cd", 4), ("cd", 8), ("unitization", None)]
    assert isinstance(layers["fused", None], FusedBatchNormalization)
    assert isinstance(layers["bn", None], keras.layers.BatchNormalization)
    assert layers["cd", 4].get_config()["group_size"] == 4
    assert isinstance(layers["unitization", None], tfnorm.Unitization)


def test_every_layer_can_be_timed():
    layers = candidates(layer_names(), [2], channels=4)
    made = {type(layer) for layer in layers.values()}
    assert descriptors.public_layers() <= made
    rows = measuring.benchmark((3, 2, 2, 4), layers, ["forward_backward"], rounds=1)
    assert [(row["layer"], row["group_size"]) for row in rows] == list(layers)


class Torch:
    """As much of torch as making its layer takes."""

    __version__ = "1.2.3"
    nn = types.SimpleNamespace(BatchNorm2d=lambda channels, **_: channels)

    def __init__(self):
        self.set_num_threads = lambda threads: setattr(self, "threads", threads)


@pytest.mark.parametrize("error", [ImportError, OSError])
def test_without_torch_there_is_no_row_of_it(monkeypatch, error):
    def fail(name):
        raise error(name)

    monkeypatch.setattr(torch_batch_norm.importlib, "import_module", fail)
    assert torch_batch_norm.find_torch() is None
    assert ("torch", None) not in candidates([], [], 4, None)
    assert program.head_line(machine.describe(None)).endswith(", no torch")


def test_with_torch_there_is_a_row_of_it_by_as_many_threads(monkeypatch):
    monkeypatch.setattr(
        torch_batch_norm.importlib, "import_module", lambda name: {"torch": Torch()}[name]
    )
    monkeypatch.setattr(machine, "threads", lambda: 3)
    torch = torch_batch_norm.find_torch()
    assert torch.threads == 3
    layers = candidates([], [], 4, torch)
    layer = layers["torch", None]
    layer.calls = lambda x, dy: dict.fromkeys(["forward", "inference"], lambda: None)
    layer.kept_bytes = lambda x: 4 * 3 * 4 * 2
    *_, row = measuring.benchmark((3, 4), layers, ["forward", "forward_backward"], rounds=1)
    assert row["layer"] == "torch" and row["forward"] is not None and row["kept"] == 2
    assert row["forward_backward"] is row["forward_backward_range"] is None
    assert program.head_line(machine.describe(torch)).endswith(", torch 1.2.3")


def test_figures_are_ratios_to_the_unit_in_the_same_round(monkeypatch):
    seconds = [[2, 20], [6, 60], [8, 10], [3, 10], [12, 20], [6, 40]]
    monkeypatch.setattr(
        measuring.timing, "interleaved", lambda calls, _: dict(zip(calls, seconds, strict=True))
    )
    layers = {("fused", None): FusedBatchNormalization(), ("m", None): tfnorm.CenterScale()}
    # What jit is divided by is timed unasked.
    fused, mine = measuring.benchmark((4, 3), layers, ["forward", "jit"], rounds=2)
    assert (fused["forward"], fused["forward_ms"]) == (1, 11_000)
    assert fused["jit"] == pytest.approx((8 / 6 + 10 / 60) / 2)
    assert mine["forward"] == pytest.approx((3 / 2 + 10 / 20) / 2)
    assert mine["forward_range"] == pytest.approx([0.6, 1.4])
    assert mine["jit"] == pytest.approx((6 / 12 + 40 / 20) / 2)
    assert mine["shape"] == [4, 3] and "forward_backward" not in mine


def row(layer, group_size, time, shape=(4, 8)):
    return {
        "layer": layer,
        "group_size": group_size,
        "shape": list(shape),
        "forward_backward": time,
        "forward_backward_range": [time - 0.25, time + 0.5],
        "forward_backward_ms": 10 * time,
        "jit": None,
        "kept": 1.0,
    }


def test_a_line_has_ratio_and_range_and_of_the_unit_its_time():
    kinds = ["forward_backward", "jit"]
    head = table.head(kinds)
    unit, mine = (table.line(each, kinds) for each in (row("fused", None, 1), row("cd", 8, 1.5)))
    assert unit.split() == ["fused", "10.00", "ms", "1.00"]
    assert mine.split() == ["cd", "8", "1.50", "(1.25-2.00)", "1.00"]
    assert "117.8 (117.5-118.2)" in table.line(row("cd", 8, 117.75), kinds)
    assert len(head) == len(unit) == len(mine)


def test_the_picture_has_the_lines_of_fused_and_of_keras(monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    rows = [row("fused", None, 1.0), row("bn", None, 2.5), row("cd", 2, 1.5), row("cd", 8, 1.75)]
    path = tmp_path / "group_size.png"
    picture.draw_group_sizes(path, [*rows, *(r | {"shape": [2, 8]} for r in rows[2:])])
    png, svg = drawn
    assert png is svg  # the same, as pixels and as vectors
    first, second = png.axes
    lines = {line.get_label(): line for line in first.lines}
    assert list(lines["cd"].get_xdata()) == [2, 8] and list(lines["cd"].get_ydata()) == [1.5, 1.75]
    assert list(lines["fused kernel"].get_ydata()) == [1.0, 1.0]
    assert list(lines["Keras' BatchNormalization"].get_ydata()) == [2.5, 2.5]
    assert lines["Keras' BatchNormalization"].get_linestyle() == ":"
    assert [line.get_label() for line in second.lines] == ["cd", "fused kernel"]
    picture.draw_group_sizes(path, rows[:2])
    assert len(drawn) == 2


@pytest.mark.parametrize(("load", "busy"), [(2.1, True), (2.0, False)])
def test_a_load_above_half_the_cores_is_busy(monkeypatch, load, busy):
    monkeypatch.setattr(machine.os, "getloadavg", lambda: (load, 9.0, 9.0))
    monkeypatch.setattr(machine, "cores", lambda: 4)
    assert machine.load_if_busy() == (load if busy else None)


def test_what_is_chosen_is_in_the_order_of_the_table():
    assert program.chosen("kinds", ["jit", "forward"], KINDS) == ["forward", "jit"]


RUN = "import sys; from tfnorm.benchmark import __main__ as program; program.run(sys.argv)"


def test_the_report_has_the_table_and_the_machine(call, tmp_path):
    flags = ["--layers=itn", "--shapes=6x4", "--group_sizes=2", "--rounds=1", f"--out={tmp_path}"]
    code, out, error = call("-c", RUN, *flags, "--kinds=forward_backward")
    assert (code, error) == (0, "")
    head, *_ = out.splitlines()
    assert head.startswith("In units of fused, tf.compat.v1.nn.fused_batch_norm alone, on ")
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert report["unit"] == "fused" and report["machine"]["keras"] == keras.__version__
    (itn,) = (each for each in report["results"] if each["layer"] == "itn")
    assert itn["forward_backward"] > 0.0 and len(itn["forward_backward_range"]) == 2
    assert "inference" not in itn
    assert report["pairs"] == []  # layers alone were asked for
    assert (tmp_path / "group_size.png").stat().st_size > 0
    assert "channels in a group" in (tmp_path / "group_size.svg").read_text()


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path, small_files):
    path = tmp_path / "out/benchmark.json"
    ending.write_whole(path, b"before")
    with small_files(100), pytest.raises(OSError) as raised:
        ending.write_whole(path, bytes(101))
    assert str(raised.value) == f"{path} cannot be written: File too large."
    assert path.read_bytes() == b"before" and list(path.parent.iterdir()) == [path]


FULL = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500)); {RUN}"


def test_a_full_disk_is_one_line_and_the_report_of_before_is_there(call, tmp_path):
    flags = ["--layers=itn,cd", "--shapes=16x4", "--group_sizes=2,none", "--rounds=1"]
    path = tmp_path / "benchmark.json"
    path.write_text("before")
    flags += [f"--out={tmp_path}", "--kinds=forward,forward_backward"]
    code, out, error = call("-c", FULL, *flags)
    assert (code, error) == (1, f"error: {path} cannot be written: File too large.\n")
    assert out and path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


INTERRUPTED = """
import os, signal, sys
from tfnorm.benchmark import __main__ as program

usual = program.benchmark

def benchmark(shape, *arguments):
    if shape == [3, 2, 4]:
        os.kill(os.getpid(), getattr(signal, os.environ["SIGNAL"]))
        os.getpid()
    return usual(shape, *arguments)

program.benchmark = benchmark
program.run(sys.argv)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interruption_is_one_line_and_what_was_timed_is_there(call, tmp_path, name):
    flags = ["--layers=itn", "--shapes=6x4,3x2x4", "--group_sizes=2", "--rounds=1"]
    flags += [f"--out={tmp_path}", "--kinds=forward"]
    code, out, error = call.finish(call.start("-c", INTERRUPTED, *flags, SIGNAL=name))
    assert (code, error) == (1, "error: Interrupted.\n")
    assert "3x2x4, float32" in out
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert {tuple(row["shape"]) for row in report["results"]} == {(6, 4)}
