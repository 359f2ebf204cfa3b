"""Generated images against real ones: the Fréchet distance, and the share of each class."""

import numpy as np

from gan.metrics.features import INCEPTION
from gan.metrics.frechet import frechet_distance, moments

_MAX_CLASSES = 100


def evaluate(sample, reference, features, count, progress=None):
    """Compares generated images with real ones.

    Args:
        sample: `sample(count)` yields batches (n, height, width, channels) of generated images in
            [-1, 1], `count` images altogether. They are clipped and scaled to [0, 255], and not
            rounded.
        reference: `Statistics` of the real images, by the same network.
        features: `FeatureNetwork`.
        count: number of images to generate, at least 2.
        progress: called as `progress(done, count)` after each batch.

    Returns:
        A dict that JSON can hold:

        * "frechet_distance": float,
        * "features": name of the network,
        * "generated_count", "reference_count": numbers of images,
        * "reference": dataset and split of the real images, as "digits test",
        * "class_shares": the fraction of the images that the network takes for each class; only if
          it gives logits of at most 100 classes.

    Raises:
        ValueError: if `sample` yields another number of images, or a feature is not finite.
    """
    rows, classes, num_classes = [], [], 0
    done = 0
    for batch in sample(count):
        images = (np.clip(np.asarray(batch, np.float32), -1, 1) + 1) * 127.5
        row, logits = features(images)
        rows.append(row)
        if logits is not None:
            classes.append(logits.argmax(1))
            num_classes = logits.shape[1]
        done += len(images)
        if progress is not None:
            progress(done, count)
    if done != count:
        raise ValueError(f"`sample` must yield `count` images. Received: {done}, count={count}")
    mean, covariance = moments(np.concatenate(rows))
    result = {
        "frechet_distance": frechet_distance(
            mean, covariance, reference.mean, reference.covariance
        ),
        "features": features.name,
        "generated_count": count,
        "reference_count": reference.count,
        "reference": reference.name,
    }
    if 0 < num_classes <= _MAX_CLASSES:
        counts = np.bincount(np.concatenate(classes), minlength=num_classes)
        result["class_shares"] = (counts / count).tolist()
    return result


def training_distance(training, reference):
    """The distance of the training images from the reference, and the line to print of it.

    Args:
        training, reference: `Statistics` by the same network.

    Returns:
        `(distance, text)`.
    """
    distance = frechet_distance(
        training.mean, training.covariance, reference.mean, reference.covariance
    )
    return distance, (
        f"For comparison, {training.count} images of {training.name} in place of generated ones: "
        f"{distance:.4g}"
    )


def describe(result):
    """What a program prints of a result of `evaluate`: a line, and one of class shares if any.

    Only the distance of tensorflow-gan's Inception features is called FID. No other is comparable
    with published ones.
    """
    distance = "FID" if result["features"] == INCEPTION else "Fréchet distance"
    lines = [
        f"{distance} {result['frechet_distance']:.4g} ({result['features']} features, "
        f"{result['generated_count']} generated, {result['reference_count']} real of "
        f"{result['reference']})"
    ]
    shares = result.get("class_shares")
    if shares:
        listed = " ".join(f"{label}:{share:.1%}" for label, share in enumerate(shares))
        lines.append(f"Class shares by {result['features']}: {listed}")
    return "\n".join(lines)
