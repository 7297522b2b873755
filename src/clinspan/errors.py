"""Every error that clinspan raises on purpose.

    ClinspanError
    ├── BundleError              the model folder cannot be used as it is
    ├── InputError               a note or an option is not of the kind that was asked for (also a ValueError)
    ├── DeviceError              the device asked for does not really run here
    ├── MissingDependencyError   an extra is not installed (also an ImportError)
    ├── InferenceError           the model ran and its answer cannot be used
    ├── DeadlineError            a call reached its timeout before it was done (also a TimeoutError)
    ├── ClosedError              the model was closed before or during the call (also a RuntimeError)
    └── PackageError             a function's zip, a container or a wheelhouse cannot be made

No message contains text of a note.
"""

from __future__ import annotations

# Where pip finds clinspan: empty once the name is on PyPI, where until then anybody could take it.
SOURCE = " @ git+https://github.com/clinspan/clinspan"
# On Linux, torch from PyPI brings gigabytes of CUDA; these builds count as newer than PyPI's of the same version.
CPU_TORCH = "https://download.pytorch.org/whl/cpu"


def installing(extra: str) -> str:
    """Return the command that installs an extra of clinspan.

    >>> installing("pdf").removesuffix("'").removesuffix(SOURCE)
    "pip install 'clinspan[pdf]"
    """
    line = f"pip install 'clinspan[{extra}]{SOURCE}'"
    torch = {"export", "optimum", "train"} & set(extra.split(","))
    return f"{line} --extra-index-url {CPU_TORCH}" if torch else line


class ClinspanError(Exception):
    """Base of all errors that clinspan raises on purpose.

    Attributes:
        reason: the message, without the number of the note.
        note: number of the note that the error is about, among the notes of the call, from 0; None if it is about none.
    """

    def __init__(self, reason: str = "", *, note: int | None = None) -> None:
        super().__init__(reason if note is None else f"note {note}: {reason}")
        self.reason = reason
        self.note = note


class BundleError(ClinspanError):
    """The model folder cannot be used: a part is missing, damaged, or disagrees with another part."""


class InputError(ClinspanError, ValueError):
    """A note or an option is not of the kind that was asked for."""


class DeviceError(ClinspanError):
    """The device that was asked for does not really run here; clinspan never falls back to another."""


class MissingDependencyError(ClinspanError, ImportError):
    """A package that this call needs is not installed; the message names the extra that brings it."""


class InferenceError(ClinspanError):
    """The model ran, and its answer cannot be used."""


class DeadlineError(ClinspanError, TimeoutError):
    """A call reached its timeout before it was done; nothing of an unfinished note is given as a result."""


class ClosedError(ClinspanError, RuntimeError):
    """The model was closed before the call or during it; nothing of an unfinished note is given."""

    def __init__(self, message: str = "this model was closed: load another with its class's load") -> None:
        super().__init__(message)


class PackageError(ClinspanError):
    """A package cannot be made: a wheel is missing, a limit is exceeded, or what was made does not run."""


def raised_by(error: BaseException, library: str) -> bool:
    """Say whether a library raised an error, rather than a signal handler that ran during its call.

    An exception of a handler has the handler's frame last in its traceback; one that another thread sent has a
    type of the application's own.

    Args:
        error: as caught, around a call of the library.
        library: name of its top module.
    """
    # Panics of the Rust libraries are not Exceptions.
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    last = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    own = {"builtins", "pyo3_runtime", library}
    return type(error).__module__.partition(".")[0] in own and last.partition(".")[0] in ("clinspan", library)
