"""Whitening of data before a model, as a Keras preprocessing layer."""

import itertools
import math
import numbers
import typing
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfnorm.layers.arguments import check_axis, check_boolean, check_epsilon, check_positive
from tfnorm.layers.base import Shape, statistics_dtype
from tfnorm.preprocessing.batches import batches_of, count_batches
from tfnorm.preprocessing.kernels import KERNELS, ORDERED
from tfnorm.preprocessing.moments import Moments
from tfnorm.preprocessing.vectors import Layout, restore, whiten


@keras.saving.register_keras_serializable(package="tfnorm")
class Whitening(keras.layers.Layer):
    """Decorrelates features by the mean and covariance of data that it was adapted to.

    It is to `keras.layers.Normalization` what a covariance is to variances:

        y = W (x - mean),    W (covariance + epsilon I) W^T = I,

    and outputs have mean 0, variance 1 and no correlation over the data. `adapt` reads the data
    once, in batches, and computes in float64; before it the layer changes nothing.

    ```python
    embeddings = np.random.normal(size=(1000, 64)) @ np.random.normal(size=(64, 64))
    whitening = tfnorm.Whitening("pca", n_components=16)
    whitening.adapt(embeddings)  # or a tf.data.Dataset, or a generator of batches
    model = keras.Sequential([whitening, keras.layers.Dense(10)])
    assert model(embeddings[:5]).shape == (5, 10)
    ```

    Args:
        method: "zca", the whitened data that are nearest to the data; "pca", the principal
            components by falling variance, each divided by its deviation, the largest entry of each
            positive; "cd", by the inverse of the lower Cholesky factor, where feature i depends on
            features 0 to i; "zca_cor", "pca_cor": the same of the correlation, for features of
            different units.
        n_components: of "pca" and "pca_cor", how many components are kept; None: all.
        epsilon: added to the covariance's diagonal, or to the correlation's: what keeps directions
            that hardly vary from being blown up. scikit-learn's PCA has 0; images often take 1e-2
            of the variance.
        axis: the features' axis, or several, whose values are one vector: -1 whitens the channels
            of images over samples and positions, (1, 2, 3) whole images over samples. Patches are
            whole images after `keras.ops.image.extract_patches`.
        ddof: covariances are divided by n - ddof: 0 as in Normalization, 1 as in scikit-learn.
        invert: whether to compute x from y instead, `x = W^+ y + mean`. With `n_components`, or
            several axes of "pca" and "pca_cor", y does not tell the shape of x: the layer must be
            adapted before it is called. A clone of it knows that shape.
        **kwargs: `name`, `dtype`.

    Call arguments:
        inputs: of the rank of the data that it was adapted to, batch first; not trained through W.

    Attributes:
        mean_: (features,).
        components_: W, (components, features).
        explained_variance_: of "pca" the variances of the data along the components, falling; of
            "pca_cor" likewise, of features divided by their deviations; of the others the variances
            of the features.

    Raises:
        ValueError: `n_components` with a method whose components have no order.

    Output: the inputs' shape, with `n_components` in place of the features. Of "pca" and "pca_cor"
    along several axes, the components are one axis, the last. A mask is handed on, and changes
    nothing, where the outputs have the inputs' positions.

    Reference:
        Kessy, Lewin, Strimmer, "Optimal Whitening and Decorrelation", The American Statistician 72,
        2018, https://arxiv.org/abs/1512.00809, table 1.
    """

    mean: keras.Variable
    matrix: keras.Variable
    variances: keras.Variable

    def __init__(
        self,
        method: str = "zca",
        n_components: int | None = None,
        epsilon: float = 1e-6,
        axis: int | Sequence[int] = -1,
        ddof: int = 0,
        invert: bool = False,
        **kwargs: typing.Any,
    ) -> None:
        if method not in list(KERNELS):
            raise ValueError(
                f"`method` must be one of {list(KERNELS)}. Received: method={method!r}"
            )
        if n_components is not None:
            n_components = check_positive("n_components", n_components)
            if method not in ORDERED:
                raise ValueError(
                    f"`n_components` is for {' and '.join(ORDERED)}, whose components have an "
                    f"order. Received: n_components={n_components}, method={method!r}"
                )
        if not isinstance(ddof, numbers.Integral) or ddof not in (0, 1):
            raise ValueError(f"`ddof` must be 0 or 1. Received: ddof={ddof!r}")
        # Data keep the digits that a low precision would take from them before they are centred.
        super().__init__(**({"trainable": False, "autocast": False} | kwargs))
        self.method = method
        self.n_components = n_components
        self.epsilon = check_epsilon(epsilon)
        self.axis: int | tuple[int, ...] = (
            check_axis(axis)
            if isinstance(axis, int | np.integer)
            else tuple(check_axis(one) for one in _several(axis))
        )
        self.ddof = int(ddof)
        self.invert = check_boolean("invert", invert)
        keeps_positions = n_components is None and not self._is_flat
        self.supports_masking = keeps_positions or self.axis == -1
        # Of what it is adapted to, without the batch's axis.
        self._data_shape: Shape | None = None
        self._moments: Moments | None = None
        # Whether the weights are to become those of data, by the next `finalize_state`.
        self._is_adapting = False

    @classmethod
    def from_statistics(
        cls, mean: typing.Any, covariance: typing.Any, **kwargs: typing.Any
    ) -> "Whitening":
        """Makes a layer of a mean (features,) and a covariance (features, features).

        Args:
            mean, covariance: arrays, as of another run, or of published statistics.
            **kwargs: the layer's arguments, but for `axis`, which is the last.
        """
        mean, covariance = (np.asarray(value, np.float64) for value in (mean, covariance))
        if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
            raise ValueError(
                "`mean` must be (features,) and `covariance` (features, features). Received: "
                f"mean.shape={mean.shape}, covariance.shape={covariance.shape}"
            )
        is_finite = np.isfinite(mean).all() and np.isfinite(covariance).all()
        is_symmetric = np.allclose(covariance, covariance.T, 1e-6, 1e-12)
        if not (is_finite and is_symmetric and (np.diag(covariance) >= 0.0).all()):
            raise ValueError(
                "`mean` must be finite, and `covariance` finite and symmetric, with no negative "
                "variance. Received: values that are not"
            )
        layer = cls(**kwargs)
        if layer.axis != -1:
            raise ValueError(
                f"`axis` must be -1, of which the statistics are. Received: axis={layer.axis}"
            )
        layer._data_shape = (mean.size,)
        layer._set(mean, covariance)
        return layer

    def build(self, input_shape: Shape) -> None:
        data_shape = self._data_shape_of(input_shape)
        source, target = self._layouts_of(data_shape)
        self._data_shape = data_shape
        shape = (math.prod(source.sizes), math.prod(target.sizes))
        features, components = reversed(shape) if self.invert else shape
        axes = dict(zip(source.axes, source.sizes, strict=True))
        self.input_spec = keras.layers.InputSpec(ndim=source.rank, axes=axes)
        self.mean = self._add("mean", (features,), "zeros")
        self.matrix = self._add("matrix", shape, "identity")
        self.variances = self._add("variances", (components,), "ones")

    def _add(self, name: str, shape: tuple[int, ...], initializer: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer,
            dtype=statistics_dtype(self),
            trainable=False,
            autocast=False,
        )

    def adapt(
        self, data: typing.Any, batch_size: int | None = None, steps: int | None = None
    ) -> None:
        """Computes mean and covariance of data, forgetting earlier ones, and the matrix of them.

        Args:
            data: an array or tensor (n, ...), a `tf.data.Dataset`, a `keras.utils.PyDataset`, or
                any iterable of batches (n, ...); of batches that are tuples the first is used. A
                list is such an iterable if its first element is an array of two axes or more.
            batch_size: rows of an array at a time; None: 1,024.
            steps: batches that are read of a dataset or an iterable; None: all, which a
                `PyDataset` without a number of batches does not have.

        Raises:
            ValueError: there are no rows, fewer than two with `ddof=1`, some of another shape,
                values that are not finite, or no end.
        """
        if steps is not None:
            steps = check_positive("steps", steps)
        elif isinstance(data, keras.utils.PyDataset) and count_batches(data) is None:
            raise ValueError(
                "`steps` must be given for a dataset without a number of batches. Received: "
                f"steps=None, data={data!r}"
            )
        self.reset_state()
        try:
            for batch in itertools.islice(batches_of(data, batch_size), steps):
                self.update_state(batch)
            self.finalize_state()
        finally:
            self._is_adapting = False

    def reset_state(self) -> None:
        """Forgets what `update_state` was given."""
        self._moments = None
        self._is_adapting = True

    def update_state(self, data: typing.Any) -> None:
        """Adds a batch (n, ...) to the mean and covariance that `finalize_state` takes."""
        self._is_adapting = True
        batch = np.asarray(data)
        if batch.dtype.kind in "cOSUMm":
            raise ValueError(
                f"Data must be real numbers, dense and of one shape. Received: dtype={batch.dtype}"
            )
        if batch.ndim < 2:
            raise ValueError(f"Data must be (n, ...), n samples. Received: shape={batch.shape}")
        shape = batch.shape[1:]
        sizes = tuple(batch.shape[axis] for axis in self._axes(batch.ndim))
        if self._data_shape is None or (self._moments is None and not self.built):
            self._data_shape = shape
        known = self._data_of(self._data_shape)
        if (known.rank, known.sizes) != (batch.ndim, sizes):
            raise ValueError(
                f"Data must have features of sizes {known.sizes} along axis {self.axis}, and "
                f"rank {known.rank}. Received: shape={batch.shape}"
            )
        axes = self._axes(batch.ndim)
        rows = np.moveaxis(batch, axes, range(-len(axes), 0)).reshape(-1, math.prod(sizes))
        rows = rows.astype(np.float64)
        if not np.isfinite(rows).all():
            raise ValueError("Data must be finite. Received: values that are not")
        if self._moments is None:
            self._moments = Moments(rows.shape[1])
        self._moments.add(rows)

    def finalize_state(self) -> None:
        """Computes the matrix of the data that `update_state` was given.

        Without `reset_state` or `update_state` before it, it keeps the weights: Keras calls it when
        it has loaded them from `.h5`.
        """
        if self.built and not self._is_adapting:
            return
        count = 0 if self._moments is None else self._moments.count
        if self._moments is None or count <= self.ddof:
            raise ValueError(
                f"There must be more than {self.ddof} rows of data. Received: {count} rows"
            )
        self._set(self._moments.mean, self._moments.covariance(self.ddof))
        self._is_adapting = False

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        source, target = self._layouts
        rows = source.to_rows(tf.cast(inputs, statistics_dtype(self)))
        mean, matrix = (tf.convert_to_tensor(weight) for weight in (self.mean, self.matrix))
        rows = (restore if self.invert else whiten)(rows, mean, matrix)
        y = target.from_rows(rows, tf.gather(tf.shape(inputs), source.others))
        y = tf.ensure_shape(y, self.compute_output_shape(tuple(inputs.shape)))
        return tf.cast(y, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        source, target = self._layouts_of(self._data_shape_of(input_shape))
        shape = [*(input_shape[axis] for axis in source.others), *target.sizes]
        return tuple(shape[place] for place in target.places)

    @property
    def mean_(self) -> np.ndarray:
        return np.asarray(self.mean)

    @property
    def components_(self) -> np.ndarray:
        matrix = np.asarray(self.matrix)
        return np.linalg.pinv(matrix).T if self.invert else matrix.T

    @property
    def explained_variance_(self) -> np.ndarray:
        return np.asarray(self.variances)

    def _set(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        """Takes a mean and a covariance, float64, for those of the data."""
        kernel = KERNELS[self.method](covariance, self.epsilon, self.n_components or len(mean))
        if not self.built:
            source, _ = self._layouts
            shape: list[int | None] = [None] * source.rank
            for axis, size in zip(source.axes, source.sizes, strict=True):
                shape[axis] = size
            self.build(tuple(shape))
            self.built = True
        self.mean.assign(mean)
        self.matrix.assign((kernel.inverse if self.invert else kernel.matrix).T)
        self.variances.assign(kernel.variances)

    def _axes(self, rank: int) -> tuple[int, ...]:
        """The features' axes, ascending and positive."""
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        if not all(-rank < axis < rank for axis in axes):
            raise ValueError(
                f"`axis` must be of the data's axes. Received: axis={self.axis}, rank={rank}"
            )
        return tuple(sorted({axis % rank for axis in axes}))

    @property
    def _is_flat(self) -> bool:
        """Whether several axes of features become a single one, of components."""
        return isinstance(self.axis, tuple) and self.method in ORDERED

    @property
    def _needs_data_shape(self) -> bool:
        """Whether the data's shape does not follow from the inputs'."""
        return self.invert and (self.n_components is not None or self._is_flat)

    def _data_shape_of(self, input_shape: Shape) -> Shape:
        """The data's shape without the batch's axis: of inputs, where it is not known already."""
        if self._data_shape is not None:
            return self._data_shape
        if self._needs_data_shape:
            raise ValueError(
                f"{self.name!r} must be adapted before it is called or asked for a shape: "
                "the shape of the data does not follow from its inputs'. Received: "
                f"input_shape={input_shape}"
            )
        return tuple(input_shape[1:])

    def _data_of(self, data_shape: Shape) -> Layout:
        """Where the features are in data of a shape, without the batch's axis."""
        shape = (None, *data_shape)
        axes = self._axes(len(shape))
        sizes = [shape[axis] for axis in axes]
        known = [size for size in sizes if size]
        if len(known) < len(sizes):
            raise ValueError(
                "The features' sizes must be known and not 0. Received: "
                f"axis={self.axis}, shape={shape}"
            )
        return Layout(len(shape), axes, tuple(known))

    def _components_of(self, data: Layout) -> Layout:
        """Where the components are that data are whitened to."""
        features = math.prod(data.sizes)
        if self.n_components is not None and self.n_components > features:
            raise ValueError(
                f"`n_components` must be at most the number of features, {features}. Received: "
                f"n_components={self.n_components}"
            )
        if not self._is_flat:
            sizes = data.sizes if self.n_components is None else (self.n_components,)
            return data._replace(sizes=sizes)
        rank = len(data.others) + 1
        return Layout(rank, (rank - 1,), (self.n_components or features,))

    def _layouts_of(self, data_shape: Shape) -> tuple[Layout, Layout]:
        """How the inputs are, and the outputs, for data of a shape."""
        data = self._data_of(data_shape)
        components = self._components_of(data)
        return (components, data) if self.invert else (data, components)

    @property
    def _layouts(self) -> tuple[Layout, Layout]:
        """As they are once the data's shape is known."""
        return self._layouts_of(self._data_shape or ())

    @classmethod
    def from_config(cls, config: dict[str, typing.Any]) -> "Whitening":
        arguments = dict(config)
        data_shape = arguments.pop("data_shape", None)
        layer = super().from_config(arguments)
        if data_shape is not None:
            layer._data_shape = tuple(data_shape)
        return layer

    def get_config(self) -> dict[str, typing.Any]:
        """The layer's arguments, and what a copy of it could not know of its inputs."""
        config = super().get_config() | {
            "method": self.method,
            "n_components": self.n_components,
            "epsilon": self.epsilon,
            "axis": self.axis,
            "ddof": self.ddof,
            "invert": self.invert,
        }
        if self._needs_data_shape and self._data_shape is not None:
            config["data_shape"] = self._data_shape
        return config

    def get_build_config(self) -> dict[str, typing.Any] | None:
        return {"data_shape": self._data_shape} if self.built else None

    def build_from_config(self, config: dict[str, typing.Any]) -> None:
        self._data_shape = tuple(config["data_shape"])
        source, _ = self._layouts
        self.build((None,) * source.rank)
        self.built = True


def _several(axis: typing.Any) -> Sequence[int]:
    """Checks that axes are a tuple or a list of some."""
    if not isinstance(axis, tuple | list) or not axis:
        raise ValueError(f"`axis` must be an integer or several. Received: axis={axis!r}")
    return axis
