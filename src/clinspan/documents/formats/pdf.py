"""Text of a PDF, through pypdf (the extra `pdf`)."""

from __future__ import annotations

import stat
from io import BytesIO
from pathlib import Path

from clinspan.errors import InputError, MissingDependencyError, installing
from clinspan.textfiles import open_bytes, read_at_most

# Far more than any letter or report, far less than memory.
MAX_PDF_BYTES = 256 * 2**20


def read_pdf(path: Path) -> str:
    """Read the text of all pages, with a line end between them.

    Offsets of annotations count in this text. A PDF holds marks on pages, not text in order: another library, or
    another version of pypdf, may read it differently.

    Raises:
        InputError: the file is missing, not a regular one, larger than `MAX_PDF_BYTES`, not a PDF, encrypted, or without text (a scan, say).
        MissingDependencyError: pypdf is not installed.
    """
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise MissingDependencyError(f"reading a PDF needs pypdf: {installing('pdf')}") from error
    text = problem = ""
    data = _read(path)
    try:
        text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    except Exception as error:  # noqa: BLE001 - pypdf raises errors of every kind on damaged files
        problem = type(error).__name__
    if problem:  # raised out here: what pypdf says may quote the text
        raise InputError(f"{path}: not a PDF that can be read ({problem})")
    if not text.strip():
        raise InputError(f"{path}: the PDF holds no text; a scanned page must go through OCR first")
    return text


def _read(path: Path) -> bytes:
    """Read a regular file of a size that memory allows; a pipe would be waited for, and a device never ends."""
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except ValueError:  # a NUL in the name
        regular = False
    if not regular:
        raise InputError(f"{path}: not a regular file")
    with open_bytes(path) as stream:
        return read_at_most(stream, MAX_PDF_BYTES, str(path))
