"""Networks that are told classes: where labels go in, and what a discriminator makes of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan.networks import ARCHITECTURES, LATENT_SIZE
from tests.norms import norm_factory
from tfnorm.layers import SpectralNormalization
from tfnorm.layers.sites import normalization_sites

# The large DCGAN is other rows for the code of the DCGAN.
EVERY_CODE = pytest.mark.parametrize("arch", ["dcgan", "resnet"])
CLASSES, WIDTH = 3, 8
LABELS = tf.constant([0, 1, 2, 1])
LATENT = tf.random.stateless_normal([4, LATENT_SIZE], [0, 0])
IMAGES = tf.random.stateless_uniform([4, 32, 32, 3], [0, 1], -1, 1)


def generator(arch, norm="bn", recovery="coloring", **options):
    factory = norm_factory(norm, recovery, num_classes=CLASSES, rank=2)
    return ARCHITECTURES[arch].generator(factory, filters=WIDTH, num_classes=CLASSES, **options)


def discriminator(arch, conditional, **options):
    make = ARCHITECTURES[arch].discriminator
    return make(filters=WIDTH, num_classes=CLASSES, conditional=conditional, **options)


def output_of(model, name):
    """The function from the model's inputs to what the layer of that name puts out."""
    return keras.Model(model.inputs, model.get_layer(name).output)


@EVERY_CODE
def test_the_generators_inputs(arch):
    latent, labels = generator(arch).inputs
    assert (latent.name, latent.shape, latent.dtype) == ("latent", (None, 128), "float32")
    assert (labels.name, labels.shape, labels.dtype) == ("labels", (None,), "int32")


@pytest.mark.parametrize(
    ("arch", "variant"),
    [("dcgan", "paper"), ("dcgan", "released"), ("large_dcgan", "paper"), ("resnet", "paper")],
)
@pytest.mark.parametrize(
    ("recovery", "conditional", "plain"),
    [
        ("scale_shift", "conditional gamma and beta", "gamma and beta"),
        ("coloring", "coloring + conditional coloring", "coloring"),
        ("factorized_coloring", "coloring + factorized coloring", "coloring"),
    ],
)
def test_all_normalizations_but_the_last_are_conditional(
    arch, variant, recovery, conditional, plain
):
    model = generator(arch, recovery=recovery, variant=variant)
    *sites, last = (site.recovery for site in normalization_sites(model))
    assert len(sites) >= 2
    assert {*sites} == {conditional}
    assert last == plain


@EVERY_CODE
@pytest.mark.parametrize("norm", ["none", "bn"])
@pytest.mark.parametrize("recovery", ["scale_shift", "coloring", "factorized_coloring"])
def test_an_image_is_of_its_label(arch, norm, recovery):
    model = generator(arch, norm, recovery)
    for seed, weight in enumerate(model.trainable_weights):
        if "gamma" in weight.path:  # all classes start with the same
            weight.assign(tf.random.stateless_uniform(weight.shape, [seed, 0], 0.5, 2))
    images = model([LATENT, LABELS])
    others = model([LATENT, tf.constant([0, 1, 2, 0])])
    np.testing.assert_array_equal(images[:3], others[:3])
    assert np.abs(images[3] - others[3]).max() > 1e-4


@EVERY_CODE
@pytest.mark.parametrize("spectral", [False, True])
def test_a_projection_adds_the_product_with_the_vector_of_the_class(arch, spectral):
    model = discriminator(arch, "projection", spectral=spectral)
    image, labels = model.inputs
    assert (image.name, labels.name, labels.dtype) == ("image", "labels", "int32")
    embedding = model.get_layer("spectral_embedding" if spectral else "embedding")
    assert isinstance(embedding, SpectralNormalization) == spectral
    vectors = embedding(tf.range(CLASSES)).numpy()
    assert vectors.shape == (CLASSES, WIDTH)

    *_, last = (layer.output for layer in model.layers if len(layer.output.shape) == 4)
    features = keras.Model(image, last)(IMAGES).numpy()
    dense = output_of(model, "spectral_dense" if spectral else "dense")([IMAGES, LABELS]).numpy()
    products = features.sum((1, 2)) * vectors[LABELS.numpy()]
    expected = dense[:, 0] + products.sum(1)
    score = model([IMAGES, LABELS])
    assert score.shape == (4, 1)
    np.testing.assert_allclose(score[:, 0], expected, rtol=1e-4, atol=1e-4)


def test_vectors_of_classes_start_uniform():
    embeddings = np.concatenate(
        [
            discriminator("dcgan", "projection", spectral=False)
            .get_layer("embedding")
            .get_weights()
            for _ in range(4)
        ]
    )
    assert 0.04 < np.abs(embeddings).max() <= 0.05


@EVERY_CODE
def test_an_acgan_classifies_what_it_scores(arch):
    model = discriminator(arch, "acgan")
    assert [tensor.name for tensor in model.inputs] == ["image"]
    score, logits = model(IMAGES)
    assert score.shape == (4, 1) and logits.shape == (4, CLASSES)
    head, dense = model.get_layer("classes"), model.get_layer("spectral_dense")
    assert type(head) is keras.layers.Dense
    assert head.input is dense.input


@EVERY_CODE
def test_an_unconditional_discriminator_has_no_use_for_classes(arch):
    model = discriminator(arch, "none")
    plain = ARCHITECTURES[arch].discriminator(filters=WIDTH)
    assert [layer.name for layer in model.inputs] == ["image"]
    shapes = [[weight.shape for weight in network.weights] for network in (model, plain)]
    assert shapes[0] == shapes[1]


@EVERY_CODE
@pytest.mark.parametrize("conditional", ["projection", "acgan"])
def test_every_weight_learns(arch, conditional):
    images = generator(arch, "zca", "coloring")
    judge = discriminator(arch, conditional)
    with tf.GradientTape() as tape:
        generated = images([LATENT, LABELS], training=True)
        given = [generated, LABELS] if conditional == "projection" else generated
        outputs = tf.nest.flatten(judge(given, training=True))
        loss = sum(tf.reduce_sum(output**2) for output in outputs)
    weights = images.trainable_weights + judge.trainable_weights
    gradient = tape.gradient(loss, [weight.value for weight in weights])
    assert [w.path for w, g in zip(weights, gradient, strict=True) if g is None] == []


@EVERY_CODE
def test_conditional_networks_are_saved_and_loaded(arch, tmp_path):
    for model, inputs in (
        (generator(arch, "itn", "factorized_coloring"), [LATENT, LABELS]),
        (discriminator(arch, "projection"), [IMAGES, LABELS]),
    ):
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-5, atol=1e-6)
