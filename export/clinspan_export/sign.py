"""Sign a bundle with an Ed25519 key, so that its users know who made it.

Keys are made with openssl, which can also make and check the signature:

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem
    openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in clinspan.json -sigfile clinspan.json.sig
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinspan.bundle.manifest import MANIFEST, open_bundle
from clinspan.bundle.signature import SIGNATURE
from clinspan.errors import BundleError, MissingDependencyError, installing
from clinspan.textfiles import write_whole
from clinspan_export.errors import ExportError
from clinspan_export.verify.card import with_card


def sign(bundle: str | Path, key: str | Path) -> Path:
    """Sign the manifest of a bundle, and with it every file that it records, the model card as it is now among them.

    Args:
        bundle: the folder.
        key: PEM file of an Ed25519 private key, not encrypted.

    Returns:
        The signature's file.

    Raises:
        BundleError: the bundle is not whole, and so not signed.
        ExportError: the key cannot be used, or the signature not written.
        MissingDependencyError: the `signing` extra is not installed.
    """
    private = _private_key(Path(key))
    opened = open_bundle(bundle)
    if not (opened.path / MANIFEST).is_file():
        raise BundleError(f"{opened.path} has no {MANIFEST}: only a bundle that was exported can be signed")
    opened.read_tokenizer()
    for record in opened.models.values():
        opened.file(record)
    target = opened.path / SIGNATURE
    try:
        if with_card(opened) != opened:
            with_card(opened).write_manifest()
        with write_whole(target) as made:
            made.write_bytes(private.sign((opened.path / MANIFEST).read_bytes()))
    except OSError as error:
        raise ExportError(f"cannot write {target}: {error.strerror}") from error
    return target


def _private_key(path: Path) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingDependencyError(
            f"cryptography is not installed: signing needs {installing('signing')}"
        ) from error
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ExportError(f"private key {path} cannot be read: {error.strerror}") from error
    except TypeError as error:
        raise ExportError(f"private key {path} is encrypted: expected one that is not") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ExportError(f"{path} is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ExportError(f"{path} is a private key of another kind: expected Ed25519")
    return key
