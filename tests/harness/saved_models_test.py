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
        with whole_directory(tmp_path / folder) as aside:
            tf.saved_model.save(module, str(aside))
    assert saved_models.is_one(tmp_path / name) and not saved_models.is_one(tmp_path)
    model = saved_models.load(tmp_path / name)
    assert float(model.serve()) == 3.0
