"""SavedModels in directories whose names would be patterns, or no text."""

import pytest
import tensorflow as tf

from harness import saved_models
from harness.files import whole_directory
from tests.file_names import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_is_written_and_read_under_any_name(tmp_path, name):
    # A glob finds these instead.
    for value, folder in ((3.0, name), (4.0, "seed1"), (4.0, "aa"), (4.0, "whats")):
        module = tf.Module()
        module.x = tf.Variable(value)
        module.serve = tf.function(module.x.read_value, input_signature=[])
        with whole_directory(tmp_path / folder, 9) as aside:
            tf.saved_model.save(module, str(aside))
    assert saved_models.is_one(tmp_path / name) and not saved_models.is_one(tmp_path)
    model = saved_models.load(tmp_path / name)
    assert float(model.serve()) == 3.0


@pytest.mark.parametrize("harm", ["flipped", "halved", "empty", "garbage"])
@pytest.mark.parametrize("part", ["fingerprint.pb", "variables/variables.data-00000-of-00001"])
def test_a_damaged_one_is_a_value_error_without_a_word_of_tensorflows(
    tmp_path, capfd, caplog, harm, part
):
    module = tf.Module()
    module.x = tf.Variable(tf.zeros([100]))
    tf.saved_model.save(module, str(tmp_path))
    content = bytearray((tmp_path / part).read_bytes())
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    harms = {"flipped": flipped, "halved": content[:half], "empty": b"", "garbage": b"\xff\0" * 9}
    (tmp_path / part).write_bytes(harms[harm])
    capfd.readouterr()
    if part == "fingerprint.pb":  # which nothing needs
        saved_models.load(tmp_path)
    else:
        with pytest.raises(ValueError):
            saved_models.load(tmp_path)
    assert "Traceback" not in capfd.readouterr().err + caplog.text
