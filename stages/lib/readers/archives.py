"""Files as streams of bytes, whatever they are packed in: nothing, gzip, zstd, or a zip of one file or more.

`data.zip/pos/1.txt` is a member of data.zip. Nothing is ever unpacked to a path of its own, so no name in an
archive can lead out of it; and what unpacks to more than a text can is refused.
"""

import gzip
import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa

from stages.lib.exceptions import SourceError
from stages.lib.listing import listed
from stages.lib.readers.asking import Asker
from stages.lib.source_keys import nearest

PACKED = (".gz", ".gzip", ".zst", ".zstd")  # suffixes behind which a name goes on
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
TAR = (".tar", ".tgz", ".tbz2", ".txz")
UNPACKED_AT_ONCE = 2**18
# Text shrinks to a tenth, lists to a hundredth; only what was made to fill a disk shrinks to less than this.
MOST_GROWTH, GROWTH_COUNTS_FROM = 200, 2**32
LONGEST_LINE = 2**26  # bytes; a file without line ends must not fill the memory
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def is_hidden(name: str) -> bool:
    """Whether a system or DVC put it there: `.DS_Store`, `train.csv.dvc`, macOS's `__MACOSX/`."""
    parts = PurePosixPath(name).parts
    return name.endswith(".dvc") or any(part.startswith(".") or part == "__MACOSX" for part in parts)


def located(path: Path) -> tuple[Path, str | None]:
    """The file on the disk, and the name of the member where the path leads into a zip."""
    if ".zip" not in str(path).lower():
        return path, None
    for parent in path.parents:
        if parent.suffix.lower() == ".zip" and parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, None


def telling_name(path: Path) -> str:
    """The name whose suffix tells how the content is written: `train.csv` of `train.csv.gz`. SourceError."""
    archive, member = located(path)
    if member is None and archive.suffix.lower() == ".zip":
        member = _only_member(archive)
    name = PurePosixPath(member or archive.name)
    packed = name.suffix.lower() in PACKED
    name = name.with_suffix("") if packed else name
    if name.suffix.lower() in TAR:
        raise SourceError(f"{path}: tar archives are not read: unpack it in the folder, or pack it as a zip")
    return name.name


def members(archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The files in the zip, without what a system put there. Raises SourceError."""
    return _opened(archive)[1]


def open_bytes(path: Path, *, lines: Asker | None = None) -> io.BufferedReader:
    """What the file holds, unpacked. Where somebody asks for `lines`, one without an end is refused.

    Opening and reading raise SourceError where it cannot be read, is damaged, cut short or encrypted.
    """
    file, packed_bytes = _open_packed(path)
    try:
        head = file.peek(len(ZSTD))
    except DAMAGED as error:
        file.close()
        raise _damaged(path, error) from None
    unpacked: Any = file
    if head.startswith(GZIP):
        unpacked = gzip.GzipFile(fileobj=file)
    elif head.startswith(ZSTD):
        unpacked = pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    return io.BufferedReader(_Checked(path, unpacked, file, packed_bytes, lines), UNPACKED_AT_ONCE)


def open_seekable(path: Path) -> IO[bytes]:
    """For formats that are not read from front to end; what is packed goes through a nameless file."""
    with open_bytes(path) as stream:
        if not located(path)[1] and path.suffix.lower() not in (*PACKED, ".zip"):
            return path.open("rb")
        copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(stream, copy, UNPACKED_AT_ONCE)
        copy.seek(0)
        return copy


def _open_packed(path: Path) -> tuple[io.BufferedReader, int]:
    """What stands on the disk or in the zip, and how many bytes it has there."""
    archive, member = located(path)
    if member is None and archive.suffix.lower() == ".zip":
        member = _only_member(archive)
    try:
        if member is None:
            return io.BufferedReader(io.FileIO(path), UNPACKED_AT_ONCE), path.stat().st_size
        there = members(archive)
        if member not in there:
            raise SourceError(f"{archive}: no {member} in it{nearest(member, list(there)[:10])}")
        # zipfile reads no more than the size that the zip states, and checks its sum
        stream: Any = _opened(archive)[0].open(there[member])
        return io.BufferedReader(stream, UNPACKED_AT_ONCE), there[member].compress_size
    except RuntimeError:
        raise SourceError(f"{path}: encrypted: unpack it with its password and lay the file here") from None
    except NotImplementedError as error:
        raise SourceError(f"{path}: {error}: unpack it and lay the file here") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from None
    except DAMAGED as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: BaseException) -> SourceError:
    return SourceError(f"{path}: cut short or damaged ({error}); get the file again")


def _only_member(archive: Path) -> str:
    there = members(archive)
    if len(there) == 1:
        return next(iter(there))
    if not there:
        raise SourceError(f"{archive}: no file in it")
    raise SourceError(
        f"{archive}: {len(there):,} files in it: {listed(list(there), 5)}; say which: "
        f"{archive.name}/{next(iter(there))}, or a pattern such as {archive.name}/**/*.txt"
    )


def _opened(archive: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    try:
        stat = archive.stat()
        return _opened_as_it_is(archive, stat.st_size, stat.st_mtime_ns)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SourceError(f"{archive}: no zip archive, or one cut short ({error}); get it again") from None


@lru_cache(maxsize=2)  # an archive of 50,000 texts is opened once, not 50,000 times
def _opened_as_it_is(
    archive: Path, size: int, changed: int
) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    opened = zipfile.ZipFile(archive)
    found: dict[str, zipfile.ZipInfo] = {}
    for info in opened.infolist():
        name = info.filename.replace("\\", "/")
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise SourceError(f"{archive}: {name!r} leads out of the archive, as in no sound one")
        if name in found:
            raise SourceError(f"{archive}: two of its files are named {name!r}; pack it again")
        if not info.is_dir() and not is_hidden(name):
            found[name] = info
    return opened, found


class _Checked(io.RawIOBase):
    """A stream whose damage is a SourceError."""

    def __init__(
        self, path: Path, stream: IO[bytes], file: IO[bytes], packed_bytes: int, lines: Asker | None
    ) -> None:
        super().__init__()
        self._path, self._stream, self._file, self._lines = path, stream, file, lines
        self._most = max(GROWTH_COUNTS_FROM, MOST_GROWTH * packed_bytes)
        self._read = self._since_line_end = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except DAMAGED as error:
            raise _damaged(self._path, error) from None
        self._read += len(data)
        if self._read > self._most:
            raise SourceError(
                f"{self._path}: unpacks to more than {MOST_GROWTH} times its size, as no text does; if it is "
                "what it should be, unpack it yourself and lay the file here"
            )
        if self._lines:
            self._count_line(data, self._lines)
        buffer[: len(data)] = data
        return len(data)

    def _count_line(self, data: bytes, asker: Asker) -> None:
        last = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._since_line_end = len(data) - last - 1 if last >= 0 else self._since_line_end + len(data)
        if self._since_line_end > LONGEST_LINE:
            raise SourceError(
                f"{self._path}: more than {LONGEST_LINE:,} bytes without a line end: is it text, and is it "
                f"written as {asker.says}?"
            )

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()
