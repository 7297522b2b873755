"""Detached signatures: whoever holds the public key knows who made a bundle, not only that it is whole.

`clinspan.json.sig` holds the 64 bytes of an Ed25519 signature (RFC 8032) over the bytes of clinspan.json,
which fixes every other file by its hash. openssl makes and checks the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinspan.errors import BundleError, InputError, MissingDependencyError, installing

SIGNATURE = "clinspan.json.sig"
_SIGNATURE_BYTES = 64
_MAX_KEY_BYTES = 65_536


def check_signature(signature: Path, signed: bytes, public_key: Path) -> None:
    """Check that a key signed some bytes.

    Args:
        signature: file of 64 bytes.
        signed: what was signed.
        public_key: PEM file of an Ed25519 public key.

    Raises:
        BundleError: there is no signature, or it was not made by this key over these bytes.
        InputError: the key cannot be read.
        MissingDependencyError: the `signing` extra is not installed.
    """
    key = _public_key(public_key)
    from cryptography.exceptions import InvalidSignature

    if not signature.is_file():
        raise BundleError(f"{signature.parent} is not signed: it has no {signature.name}")
    with signature.open("rb") as stream:
        value = stream.read(_SIGNATURE_BYTES + 1)
    if len(value) != _SIGNATURE_BYTES:
        raise BundleError(f"{signature} is not a signature: expected {_SIGNATURE_BYTES} bytes")
    try:
        key.verify(value, signed)
    except InvalidSignature as error:
        raise BundleError(
            f"{signature} was not made with the private key of {public_key}, or clinspan.json was changed "
            "after it was signed"
        ) from error


def _public_key(path: Path) -> Any:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise MissingDependencyError(
            f"cryptography is not installed: checking a signature needs {installing('signing')}"
        ) from error
    try:
        with path.open("rb") as stream:
            key = load_pem_public_key(stream.read(_MAX_KEY_BYTES))
    except OSError as error:
        raise InputError(f"public key {path} cannot be read: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{path} is not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"{path} is a public key of another kind: expected Ed25519")
    return key
