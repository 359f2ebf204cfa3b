"""Networks in files, opened to give features: SavedModels, `.keras` files, tensorflow-gan's."""

import typing

import numpy as np
import tensorflow as tf

from gan.metrics import network_inputs
from harness import saved_models
from harness.errors import UserError

_INCEPTION_SIZE = 299
# Features of an image in two batches differ by rounding, at most by this share of the largest.
_SAME = 1e-2
_INCEPTION_TAKES = "images resized to 299x299 (bilinear), in [-1, 1], as tensorflow-gan has it"


class Network(typing.NamedTuple):
    """A network that was opened.

    Attributes:
        outputs: from images as it takes them to features (n, d), and logits or None.
        input: an `Input`; None: it takes float32 (n, h, w, 3) in [0, 255].
        said: then, what it does with them, or None.
    """

    outputs: typing.Callable
    input: network_inputs.Input | None
    said: str | None = None


def open_network(path, takes):
    """Opens what is in a file or directory: a `Network` that gives what features are."""
    if path.is_file():
        network = _of_keras(path, takes)
    else:
        network = _of_saved_model(path, saved_models.load(path), takes)
    one, other = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)

    def outputs(images):
        images = tf.stack(images)
        return network.outputs(images if network.input is None else network.input.bring(images))

    rows = outputs([one, other])
    for output in rows:
        if output is not None and (output.shape.rank != 2 or output.shape[0] != 2):
            raise ValueError(f"of 2 images it gives an output of shape {output.shape}")
    # Keras' own export is one of training where a layer has that as its default, as Resizing.
    features, again = rows[0][0], outputs([one, one])[0][0]
    if tf.reduce_max(abs(features - again)) > _SAME * tf.reduce_max(abs(features)):
        raise ValueError(
            "the features of an image depend on the others of its batch: it normalizes or drops as "
            "in training"
        )
    return network


def check_none_given(spec, takes):
    """Raises `UserError` where it is known what a network takes, and a user says it, too."""
    given = {f"feature_{name}": v for name, v in takes._asdict().items() if v is not None}
    if given:
        raise UserError(
            f"--features={spec} is tensorflow-gan's network, which gets images as tensorflow-gan "
            f"has them. Received: {', '.join(f'{name}={v}' for name, v in given.items())}"
        )


def _of_keras(path, takes):
    import keras

    import tfnorm  # noqa: F401 - whose layers a file may have

    model = keras.saving.load_model(path, compile=False)
    if len(model.inputs) != 1:
        raise ValueError(f"it has {len(model.inputs)} inputs")
    (image,) = model.inputs
    names = model.output_names if len(model.outputs) > 1 else [""]

    @tf.function(reduce_retracing=True)
    def call(images):
        values = model(images, training=False)
        values = list(values.values()) if isinstance(values, dict) else values
        return dict(zip(names, values if len(names) > 1 else [values], strict=True))

    shapes = {name: tuple(output.shape) for name, output in zip(names, model.outputs, strict=True)}
    return _generic(call, shapes, image.shape, tf.as_dtype(image.dtype), _range_of(model), takes)


def _range_of(model):
    """The range of a Keras model's images that it scales from [0, 255] itself; None: unknown."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            return _range_of(layer)
        if isinstance(layer, keras.layers.Rescaling):
            scales = np.asarray(layer.scale, np.float64)
            return "0:255" if np.isin(np.round(1 / scales, 6), (127.5, 255)).all() else None
        if not isinstance(layer, keras.layers.InputLayer):
            return None
    return None


def _of_saved_model(path, model, takes):
    signature = dict(model.signatures).get("serving_default") if model.signatures else None
    outputs = dict(signature.structured_outputs) if signature else {}
    shapes = {
        name: tuple(output.shape) if output.shape.rank else () for name, output in outputs.items()
    }
    if "features" in outputs or (signature and "pool_3" not in outputs and _chosen(shapes)):
        name, spec = _single_argument(signature)
        # Keras names no output; where one is named the contract is that of images in [0, 255].
        known = "0:255" if "features" in outputs else None
        shape = spec.shape if spec.shape.rank is not None else [None] * 4
        return _generic(
            lambda images: signature(**{name: images}), shapes, shape, spec.dtype, known, takes
        )
    check_none_given(path, takes)
    return Network(_as_inception(model, signature, outputs), None, _INCEPTION_TAKES)


def _generic(call, shapes, shape, dtype, known_range, takes):
    """A `Network` of `call`, from images to outputs by their names, of these shapes."""
    chosen = _chosen(shapes)
    if chosen is None:
        raise ValueError(
            "it must have one output (n, d), or one named `features`. Received: "
            + ", ".join(f"{name or 'output'} {shape}" for name, shape in shapes.items())
        )
    features, logits = chosen

    def outputs(images):
        values = call(images)
        return values[features], None if logits is None else values[logits]

    shape = [None if size is None else int(size) for size in shape]
    input = network_inputs.find(takes, shape, dtype, known_range, lambda x: outputs(x)[0])
    return Network(outputs, input)


def _chosen(shapes):
    """The names of the features and of the logits, or None, by shapes of outputs; None: unclear."""
    if "features" in shapes:
        return "features", "logits" if "logits" in shapes else None
    rows = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(rows) == 2 and "logits" in rows:
        rows.sort(key="logits".__eq__)
        return tuple(rows)
    return (rows[0], None) if len(rows) == 1 else None


def _as_inception(model, signature, outputs):
    """The function of a copy of tensorflow-gan's network, from images in [0, 255]."""
    if callable(model):  # As tensorflow-gan calls it.
        call = model
    elif "pool_3" in outputs:
        name, _ = _single_argument(signature)

        def call(images):
            return signature(**{name: images})
    else:
        raise ValueError(f"its outputs are {sorted(outputs)}")

    def inception(images):
        images = tf.image.resize(images, [_INCEPTION_SIZE] * 2, method="bilinear")
        outputs = call(images / 127.5 - 1.0)
        if not (isinstance(outputs, dict) and "pool_3" in outputs):
            received = sorted(outputs) if isinstance(outputs, dict) else "not named"
            raise ValueError(f"its outputs are {received}")
        pool = outputs["pool_3"]
        return tf.reshape(pool, [tf.shape(pool)[0], -1]), outputs.get("logits")

    return inception


def _single_argument(signature):
    """The name and the `TensorSpec` of a signature's one argument, whatever it is called."""
    arguments = signature.structured_input_signature[1]
    if len(arguments) != 1:
        raise ValueError(f"its arguments are {sorted(arguments)}")
    return next(iter(arguments.items()))
