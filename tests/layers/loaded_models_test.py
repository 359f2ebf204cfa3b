"""Subclassed models that call a layer with labels or domains, after saving and loading."""

import keras
import numpy as np
import pytest

import tfnorm

LAYERS = {
    "labels": lambda: tfnorm.ConditionalCenterScale(3, gamma_initializer="random_normal"),
    "coloring": lambda: tfnorm.ConditionalColoring(3),
    "domain": lambda: tfnorm.BatchWhitening("cd", group_size=2, domains=3),
}


@keras.saving.register_keras_serializable(package="tests")
class Pair(keras.Model):
    """Takes [x, numbers]; the numbers go to a layer in the middle."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.first, self.middle, self.last = keras.layers.Dense(4), LAYERS[kind](), None
        self.last = keras.layers.Dense(2)

    def call(self, inputs):
        x, numbers = inputs
        return self.last(self.middle(self.first(x), numbers))

    def get_config(self):
        return super().get_config() | {"kind": self.kind}


@pytest.mark.filterwarnings("error:.*cannot be built automatically")
@pytest.mark.parametrize("kind", LAYERS)
def test_all_weights_are_loaded(kind, tmp_path):
    pair = [np.ones((2, 5), np.float32), np.array([0, 2])]
    model = Pair(kind)
    expected = model(pair)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.built for layer in loaded.layers] == [True, True, True]
    np.testing.assert_array_equal(loaded(pair), expected)


@pytest.mark.parametrize("kind", LAYERS)
def test_numbers_of_another_type_are_refused_as_before(kind):
    with pytest.raises(ValueError, match="dtype=float32"):
        Pair(kind)([np.ones((2, 5), np.float32), np.array([0.0, 1.0], np.float32)])
    with pytest.raises(ValueError, match="dtype=float32"):
        LAYERS[kind]()(keras.Input((4,)), keras.Input(()))
