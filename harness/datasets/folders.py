"""A folder of folders of images, or a zip of one: SPLIT/CLASS/IMAGE."""

import dataclasses
import pathlib

import numpy as np

from harness.datasets.decoding import SUFFIXES
from harness.datasets.encoded import EncodedImages, load_decoded
from harness.datasets.labelled import ImageKind
from harness.datasets.trees import Disk, Zip
from harness.errors import UserError, some_of

_TRAINING = "train"
_ALSO_NAMED = {"validation": "val", "val": "validation"}
_HELD_OUT = ("test", "validation", "val")


@dataclasses.dataclass(frozen=True)
class ClassFolders:
    """The dataset "folder": images as SPLIT/CLASS/IMAGE, or less deep.

    Without a folder of a split, as train/, all in `data_dir` is the split train. Without images of
    its own a split's folder is of class folders: the classes are those in train/, or, where there
    is no train/, of the split, in the order of their names. With images of its own all below it are
    of no class.

    Attributes:
        data_dir: the folder, or a zip file of one. A class may hold folders of images; what is
            hidden (.name), or is no image by its name, is passed over, and a line says so.
        tree: `Disk` or `Zip`, in which it is.
    """

    data_dir: pathlib.Path
    tree: Disk | Zip = Disk()

    @classmethod
    def find(cls, name, data_dir):
        """Gives the dataset if this is its name, else None."""
        if name != "folder" or not data_dir:
            return None
        if not data_dir.is_file():
            return cls(data_dir)
        tree = Zip(data_dir)
        return cls(tree.root, tree)

    def kind(self):
        """The `ImageKind` of the images: all are made RGB."""
        classes = self._classes(_TRAINING)
        return ImageKind(channels=3, num_classes=None if classes is None else len(classes))

    def splits(self):
        """The names of the splits that there are."""
        there = self._folders()
        known = [name for name in (_TRAINING, *_HELD_OUT) if name in there]
        return known or [_TRAINING]

    def load(self, split, image_size):
        """Reads `Images` of a whole split, resized to `image_size`, in the order of `stream`."""
        if image_size is None:
            raise UserError(
                "The images of dataset 'folder' may differ in size: give the one to use as "
                "--image_size. Received: image_size=None"
            )
        return load_decoded(self.stream(split), image_size)

    def stream(self, split, progress=None):
        """Lists `EncodedImages`: of every class the first by its path, then the second, and so on.

        So the first images of a split are of all classes.
        """
        classes = self._classes(split)
        folder = self._split(split)
        if classes is None:
            return self._unlabelled(folder, split, progress)
        unknown = sorted(set(self.tree.folders(folder)) - set(classes))
        if unknown:
            raise UserError(
                f"The class folders in {folder} must be among those in {self._split(_TRAINING)}. "
                f"Received: {some_of(unknown)}, which are not there"
            )
        inside = self.tree.folders(folder)
        names = [name for name in classes if name in inside]
        listing = self.tree.list_images(folder / name for name in names)
        paths, labels = [], []
        for name, class_paths in zip(names, listing.paths, strict=True):
            if not class_paths:
                raise UserError(
                    f"Each class folder must hold images ({', '.join(SUFFIXES)}), which are in no "
                    f"other. Received: none in {folder / name}. Delete the folder, or fill it"
                )
            paths += class_paths
            labels += [classes.index(name)] * len(class_paths)
            if progress is not None:
                progress(classes.index(name) + 1, len(classes))
        if listing.passed_over:
            print(listing.line(folder))
        if not paths:
            raise UserError(f"{folder} must hold class folders of images. Received: none")
        labels = np.array(labels, np.int64)
        first = np.searchsorted(labels, labels)
        order = np.lexsort((labels, np.arange(len(labels)) - first))
        paths, labels = [paths[i] for i in order], labels[order]
        return _encoded(split, paths, labels, tuple(classes), self.tree.contents(paths))

    def _unlabelled(self, folder, split, progress):
        listing = self.tree.list_images([folder])
        if listing.passed_over:
            print(listing.line(folder))
        (paths,) = listing.paths
        if progress is not None:
            progress(1, 1)
        labels = np.zeros(len(paths), np.int64)
        return _encoded(split, paths, labels, None, self.tree.contents(paths))

    def _classes(self, split):
        """The names of the classes, a list; None if the images have none."""
        there = self._folders()
        folder = self._split(_TRAINING if _TRAINING in there else split)
        if self.tree.has_images(folder):
            return None
        classes = self.tree.folders(folder)
        if not classes:
            raise UserError(
                f"{folder} must hold images, or one folder of images per class. Received: none"
            )
        return classes

    def _folders(self):
        """The names of the folders in `data_dir`."""
        if isinstance(self.tree, Disk) and not self.data_dir.is_dir():
            raise UserError(
                f"--data_dir={self.data_dir} is not a folder, nor a zip of one; --dataset=folder "
                "was looked for in it"
            )
        return self.tree.folders(self.data_dir)

    def _split(self, split):
        """Finds the folder of a split."""
        there = self._folders()
        for name in (split, _ALSO_NAMED.get(split)):
            if name in there:
                return self.data_dir / name
        if (
            split == _TRAINING
            and self.splits() == [_TRAINING]
            and (there or self.tree.has_images(self.data_dir))
        ):
            return self.data_dir
        if split == _TRAINING and not there:
            raise UserError(
                f"--data_dir={self.data_dir} must hold images ({', '.join(SUFFIXES)}), or folders "
                "of them, for --dataset=folder. Received: neither"
            )
        raise UserError(
            f"--data_dir={self.data_dir} must have the folder {split}/ for --dataset=folder, with "
            f"images as {split}/CLASS/IMAGE.jpg{self._instead(split)}. Received: "
            f"{some_of([f'{name}/' for name in there]) or 'no folders'}"
        )

    def _instead(self, split):
        """What serves in the place of a split, where there are none and all is for training."""
        if split == _TRAINING or self.splits() != [_TRAINING]:
            return ""
        return f", or --test_split={_TRAINING} to measure on the images that are trained on"


def _encoded(split, paths, labels, class_names, contents):
    return EncodedImages(
        name="folder",
        split=split,
        labels=labels,
        num_classes=None if class_names is None else len(class_names),
        channels=3,
        encoded=contents,
        describe=lambda index: paths[index],
        class_names=class_names,
    )
