"""Gradient penalties of a discriminator, by name: mean((1 - ||gradient||)^2) at chosen images."""

import tensorflow as tf


def wgan_gp(real, generated, uniform):
    """Mixes generated and real images: u real + (1 - u) generated, points on the lines between.

    Reference: Gulrajani et al., "Improved Training of Wasserstein GANs", NIPS 2017,
    https://arxiv.org/abs/1704.00028, Algorithm 1.

    Args:
        real, generated: (n, h, w, channels).
        uniform: (n, h, w, channels + 1), numbers in [0, 1).

    Returns:
        (n, h, w, channels).
    """
    u = uniform[:, :1, :1, :1]
    return u * real + (1.0 - u) * generated


def dragan(real, generated, uniform):
    """Moves real images towards noisy ones: real + u (deviation / 2) U(0, 1), shapes as `wgan_gp`.

    The deviation is that of all pixels of the batch. Reference: Kodali et al., "On Convergence and
    Stability of GANs", 2017, https://arxiv.org/abs/1705.07215, and the code published with it.
    """
    noise = 0.5 * tf.math.reduce_std(real) * uniform[..., 1:]
    return real + uniform[:, :1, :1, :1] * noise


# By name: what makes the images at which the gradient is to have length 1.
PENALTIES = {"none": None, "wgan_gp": wgan_gp, "dragan": dragan}


def gradient_penalty(discriminate, images):
    """Computes mean((1 - ||d discriminate(x) / dx||)^2) over images.

    Args:
        discriminate: from images (n, h, w, channels) to logits (n, 1), a logit of its image alone.
        images: (n, h, w, channels), where the gradient is taken.

    Returns:
        A scalar, differentiable with respect to the discriminator's weights.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminate(images)
    gradient = tape.gradient(logits, images)
    # The root's own gradient at 0 is infinite.
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), [1, 2, 3]) + 1e-12)
    return tf.reduce_mean(tf.square(1.0 - norm))
