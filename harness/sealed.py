"""Objects of JSON in files that tell whether they are as they were written: by a checksum in them.

A bit that flips in a number leaves JSON that can be read.
"""

import hashlib
import json

from harness.files import read_object, write_whole

KEY = "sha256"


def write(path, content, indent=None):
    """Writes a dict whole, with its checksum as the last of its items."""
    text = json.dumps(content | {KEY: checksum(content)}, indent=indent, ensure_ascii=False)
    write_whole(path, text + "\n")


def read(path):
    """What was written, a dict; what has no checksum, of an earlier version, is as it is.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is damaged.
    """
    content = read_object(path)
    known = content.pop(KEY, None)
    if known is not None and known != checksum(content):
        raise ValueError("it is not what was written, by its checksum")
    return content


def checksum(content):
    """The checksum of what can be written as JSON, 64 hexadecimal digits."""
    content = json.loads(json.dumps(content))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
