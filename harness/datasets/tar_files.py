"""The files in a tar archive, as paths have them: nothing is unpacked to a disk."""

import io
import pathlib
import tarfile
import zlib

from harness.datasets.damage import reason
from harness.errors import UserError


class TarFolder:
    """A folder in an archive, of the files that are wanted.

    Args:
        archive: path of the .tar.gz file.
        folder: name of the folder in it.
    """

    def __init__(self, archive, folder):
        self._archive, self._folder, self._contents = pathlib.Path(archive), folder, None

    def __str__(self):
        return f"{self._archive}/{self._folder}"

    def __truediv__(self, name):
        return _TarFile(self, name)

    def read(self, name):
        """The bytes of a file; None if there is no such file."""
        if self._contents is None:  # Once for all: what is compressed has no places.
            self._contents = self._read()
        return self._contents.get(f"{self._folder}/{name}")

    def _read(self):
        try:
            with tarfile.open(self._archive) as archive:
                files = ((member.name, archive.extractfile(member)) for member in archive)
                contents = {name.removeprefix("./"): file.read() for name, file in files if file}
                while archive.fileobj.read(1 << 20):  # gzip compares its checksum at the end.
                    pass
                return contents
        except (OSError, EOFError, zlib.error, tarfile.TarError, KeyError) as error:
            raise UserError(
                f"Damaged data: {self._archive} cannot be read as a .tar.gz file "
                f"({reason(error)}). Download it again"
            ) from error


class _TarFile:
    """A file in a `TarFolder`, with what is used of a `pathlib.Path`."""

    def __init__(self, folder, name):
        self._folder, self.name = folder, name

    def __str__(self):
        return f"{self._folder}/{self.name}"

    def is_file(self):
        return self._folder.read(self.name) is not None

    def read_bytes(self):
        content = self._folder.read(self.name)
        if content is None:
            raise FileNotFoundError(2, "No such file", str(self))
        return content

    def read_text(self):
        return self.read_bytes().decode()

    def open(self, mode):
        return io.BytesIO(self.read_bytes())
