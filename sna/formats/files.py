"""Files are replaced whole: when the disk is full or writing fails, what stood there before is still there."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from sna.errors import ReadError


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file in one step: into a new file beside it, which then takes its name.

    Returns
    -------
    Path
        Where it was written; folders are made.

    Raises
    ------
    ReadError
        When it cannot be written; the old file, if there was one, is untouched.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "a" / "b.txt", b"new").read_bytes()
    b'new'
    """
    target = Path(path)
    made = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(made, _mode())
        os.replace(made, target)
    except OSError as error:
        if made is not None:
            with suppress(OSError):
                os.unlink(made)
        raise ReadError(
            f"The file {target} must be writable.", got=f"{error.strerror}.", hint="another folder: --out"
        ) from error
    return target


def _mode() -> int:
    """Permissions a new file usually gets here; temporary files are the owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
