"""JSON that tells whether it is what was written."""

import json

import pytest

from harness import sealed


def test_what_is_written_is_read(tmp_path):
    content = {"b": [1, 2.5, None], "a": {"é": "ü"}, "c": (1, 2), "d": 0.1 + 0.2}
    sealed.write(tmp_path / "a.json", content, indent=2)
    assert sealed.read(tmp_path / "a.json") == json.loads(json.dumps(content))
    assert list(sealed.read(tmp_path / "a.json")) == list(content)


def test_a_flipped_bit_is_seen(tmp_path):
    file = tmp_path / "a.json"
    sealed.write(file, {"distance": 1.25, "name": "digits"})
    content = file.read_bytes()
    for position in range(content.index(b'"sha256"')):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            file.write_bytes(flipped)
            with pytest.raises(ValueError):
                sealed.read(file)


def test_what_an_earlier_version_wrote_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"distance": 1.25}')
    assert sealed.read(tmp_path / "a.json") == {"distance": 1.25}
