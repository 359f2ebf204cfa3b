"""TensorBoard's events: what they cost in the long run."""

import pathlib

from harness.run.actions import Board

SCALARS = 6_000


def _resident():
    """The process' memory in bytes."""
    return 4096 * int(pathlib.Path("/proc/self/statm").read_text().split()[1])


def test_a_number_that_was_written_is_not_kept(tmp_path):
    """TensorFlow keeps a tensor, some 750 bytes, of each of Python's numbers that becomes one."""
    board = Board(tmp_path / "events")
    board.restart([])
    for start in (0, SCALARS):
        before = _resident()
        for step in range(start, start + SCALARS, 10):
            board.scalars(step, {f"loss_{i}": step + i / 16 for i in range(10)})
        board.flush()
    assert _resident() - before < 300 * SCALARS
