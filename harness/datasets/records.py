"""TFRecord files of examples by position: the place of a record, its label, and its bytes.

A record is the length of its data (uint64), a checksum of that (uint32), the data, and a checksum
of the data (uint32), little-endian. The data is a `tf.train.Example`, a protocol buffer.
"""

import concurrent.futures
import os
import struct
import typing

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from harness.datasets.damage import reason
from harness.errors import UserError

_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4
_BLOCK_BYTES = 4096
_FILES_AT_ONCE = 16  # Waiting for a slow disk, not computing.


class Index(typing.NamedTuple):
    """The places of n records.

    Attributes:
        paths: of the files.
        files: int32 (n,), number of the file of each record.
        positions: int64 (n,), number of the record in its file, from 0.
        offsets: int64 (n,), of the data, in bytes from the start of the file.
        lengths: int64 (n,), of the data in bytes.
        labels: int64 (n,).
    """

    paths: list
    files: np.ndarray
    positions: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def describe(self, record):
        """Says where a record is stored."""
        return f"{self.paths[self.files[record]]}, record {self.positions[record]}"

    def read(self, record):
        """Reads the bytes of a record's data."""
        length = int(self.lengths[record])
        with open(self.paths[self.files[record]], "rb", buffering=0) as file:
            data = os.pread(file.fileno(), length, int(self.offsets[record]))
        if len(data) < length:
            raise OSError(f"{self.describe(record)} was cut off after it was indexed")
        return data

    def data(self, record):
        """Reads as `read`, in a graph: of a scalar int64 tensor a scalar string tensor."""
        return tf.ensure_shape(tf.numpy_function(self.read, [record], tf.string), [])


def index_records(paths, counts, key, progress=None):
    """Makes the `Index` of all records of some files, in the order of the files.

    It reads where records and the fields of their examples begin, not the images between: per
    record one or two blocks of 4 KiB.

    Args:
        paths: paths of the files.
        counts: number of records that each file must have.
        key: feature of the examples that is the label, one integer; None: all labels are 0.
        progress: called with (done, total), counts of records.

    Raises:
        UserError: a file is truncated or damaged, or has another number of records.
    """
    paths = [os.fspath(path) for path in paths]
    tables = [np.zeros((0, 3), np.int64)]
    with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        for path, count, table in zip(
            paths,
            counts,
            pool.map(lambda path: _index_file(path, key and key.encode()), paths),
            strict=True,
        ):
            if len(table) != count:
                raise UserError(
                    f"Damaged data: {path} must hold {count} records. Received: {len(table)}"
                )
            tables.append(table)
            if progress is not None:
                progress(sum(map(len, tables)), sum(counts))
    offsets, lengths, labels = np.concatenate(tables).T
    return Index(
        paths,
        np.repeat(np.arange(len(paths), dtype=np.int32), counts),
        np.concatenate([np.arange(len(table)) for table in tables]),
        offsets,
        lengths,
        labels,
    )


def _index_file(path, key):
    """Indexes a file: int64 (n, 3), offset and length in bytes, and label, of its records' data."""
    rows = []
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            blocks = _Blocks(file.fileno())
            at = 0
            while at < size:
                length, _ = _HEADER.unpack(blocks.read(at, _HEADER.size))
                at += _HEADER.size
                if at + length + _FOOTER_BYTES > size:
                    raise ValueError(f"the file ends, at {size} bytes, within it")
                label = 0 if key is None else _label(blocks, at, at + length, key)
                rows.append((at, length, label))
                at += length + _FOOTER_BYTES
    except (ValueError, DecodeError) as error:
        raise UserError(
            f"Damaged data: {path} must be a whole TFRecord file of examples. Received: record "
            f"{len(rows)}: {reason(error)}. Prepare the dataset again"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {reason(error)}") from error
    return np.array(rows, np.int64).reshape(-1, 3)


class _Blocks:
    """Bytes of a file by position; reads close after each other are one of the file."""

    def __init__(self, file):
        self._file = file
        self._start = 0
        self._block = b""

    def read(self, at, count):
        """Reads `count` bytes from the position `at`."""
        start = at - self._start
        if start < 0 or start + count > len(self._block):
            self._start, start = at, 0
            self._block = os.pread(self._file, max(count, _BLOCK_BYTES), at)
        if start + count > len(self._block):
            raise ValueError(f"the file ends, at {self._start + len(self._block)} bytes, within it")
        return self._block[start : start + count]


def _label(blocks, at, end, key):
    """Reads the integer feature `key` of the Example in the bytes from `at` to `end`.

    Example has the field 1, Features, of which each field 1 is the entry of a map: its field 1 is
    the key and its field 2 the Feature.
    """
    at, end = _field(blocks, at, end, 1)
    while at < end:
        start, at = _field(blocks, at, end, 1)
        first, last = _field(blocks, start, at, 1)
        if last - first == len(key) and blocks.read(first, last - first) == key:
            first, last = _field(blocks, last, at, 2)
            feature = tf.train.Feature.FromString(blocks.read(first, last - first))
            if len(feature.int64_list.value) == 1:
                return feature.int64_list.value[0]
            break
    raise ValueError(f"an example without one integer {key.decode()!r}")


def _field(blocks, at, end, number):
    """Finds the content of the field at `at`, which must have this number: (start, end)."""
    if at >= end or blocks.read(at, 1)[0] != number << 3 | 2:  # 2: a length, then the content.
        raise ValueError("no tf.train.Example")
    length = shift = 0
    while True:
        at += 1
        byte = blocks.read(at, 1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if at + 1 + length > end:
        raise ValueError("no tf.train.Example")
    return at + 1, at + 1 + length
