"""`clinspan package`: from a bundle to a function in the cloud, a container, or a folder for a hospital.

    targets     where it will run: machine, Python, C library, and the limits of each service
    resolve     the wheels of numpy, tokenizers and onnxruntime for that target
    own         clinspan's own files, from however it was installed
    prune       what inference never imports, as data
    assemble    the files of a package in a folder, part by part
    selftest    the folder in a bare interpreter that sees nothing else; the machine its binaries are for
    sizes       the parts against the limits
    archive     the folder as a zip, the same bytes for the same files

Nothing here is part of a package or is imported by `clinspan.Recognizer`.
"""

from __future__ import annotations
