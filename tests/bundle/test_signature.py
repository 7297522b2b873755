"""A signature says who made a bundle; with a key given, nothing else is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import bundles
from tests.support.example_notes import NOTE

from clinspan import BundleError, InputError, LoadOptions, MissingDependencyError, Recognizer
from clinspan.bundle.integrity import record_file
from clinspan.bundle.manifest import MANIFEST, open_bundle
from clinspan.bundle.signature import SIGNATURE
from clinspan.cli.main import main
from clinspan_export.cli.main import main as export_main
from clinspan_export.errors import ExportError
from clinspan_export.sign import sign

pytest.importorskip("cryptography")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519


def keys(folder: Path, name: str, kind: object = None, password: bytes | None = None) -> tuple[Path, Path]:
    """Write a private and a public key."""
    private = (
        ed25519.Ed25519PrivateKey.generate() if kind is None else ec.generate_private_key(ec.SECP256R1())
    )
    locked = (
        serialization.NoEncryption() if password is None else serialization.BestAvailableEncryption(password)
    )
    encoding = serialization.Encoding.PEM
    secret, public = folder / f"{name}.pem", folder / f"{name}-public.pem"
    secret.write_bytes(private.private_bytes(encoding, serialization.PrivateFormat.PKCS8, locked))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(private.public_key().public_bytes(encoding, form))
    return secret, public


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A signed bundle and the public key."""
    secret, public = keys(tmp_path, "own")
    folder = bundles.bundle(tmp_path / "bundle")
    assert export_main(["sign", str(folder), "--key", str(secret)]) == 0
    return folder, public


def test_a_signature_covers_the_card_that_the_owner_wrote(tmp_path: Path) -> None:
    """Signing records the card as it is; a change after it shows in `clinspan info`, and the bundle still loads."""
    secret, public = keys(tmp_path, "own")
    folder = bundles.bundle(tmp_path / "bundle")
    (folder / "README.md").write_text("For our ward.", encoding="utf-8")
    assert export_main(["sign", str(folder), "--key", str(secret)]) == 0
    assert open_bundle(folder, public_key=public).card == record_file(folder, "README.md")
    (folder / "README.md").write_text("For every ward.", encoding="utf-8")
    assert open_bundle(folder, public_key=public).card != record_file(folder, "README.md")


def test_a_signed_bundle_loads_with_its_key(signed: tuple[Path, Path]) -> None:
    """And without one, for those who do not ask."""
    folder, public = signed
    with_key = Recognizer.load(folder, threads=1, options=LoadOptions(public_key=public)).recognize(NOTE)
    assert with_key == Recognizer.load(folder, threads=1).recognize(NOTE)


def test_a_signature_of_another_key_is_refused(signed: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever made the bundle is not who was expected."""
    _, other = keys(tmp_path, "other")
    with pytest.raises(BundleError, match="was not made with the private key"):
        Recognizer.load(signed[0], options=LoadOptions(public_key=other))


def test_every_byte_of_a_signature_counts(signed: tuple[Path, Path]) -> None:
    """Each changed in turn, and one more or one less."""
    folder, public = signed
    content = (folder / SIGNATURE).read_bytes()
    for changed in [
        *(content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :] for i in range(len(content))),
        content[:-1],
        content + b"\n",
        b"",
    ]:
        (folder / SIGNATURE).write_bytes(changed)
        with pytest.raises(BundleError, match=r"signature|private key"):
            open_bundle(folder, public_key=public)


@pytest.mark.parametrize("name", [MANIFEST, "tokenizer.json", bundles.MODEL])
def test_whatever_changed_after_signing_is_refused(signed: tuple[Path, Path], name: str) -> None:
    """The manifest by its signature, layout included; the files by their hashes."""
    folder, public = signed
    (folder / name).write_bytes((folder / name).read_bytes() + b"\n")
    with pytest.raises(BundleError, match=r"changed after it was signed|damaged or was replaced"):
        Recognizer.load(folder, threads=1, options=LoadOptions(public_key=public))


def test_files_and_manifest_changed_together_are_refused(signed: tuple[Path, Path]) -> None:
    """A whole other bundle under the old signature: every hash is right, and the signature is not."""
    folder, public = signed
    bundles.save(folder, bundles.table_model(bundles.table(500)))
    assert Recognizer.load(folder, threads=1)
    with pytest.raises(BundleError, match="changed after it was signed"):
        Recognizer.load(folder, threads=1, options=LoadOptions(public_key=public))


def test_an_unsigned_bundle_is_refused(signed: tuple[Path, Path]) -> None:
    """With the signature gone, or with the manifest gone and only config.json left."""
    folder, public = signed
    (folder / SIGNATURE).unlink()
    with pytest.raises(BundleError, match="is not signed"):
        Recognizer.load(folder, options=LoadOptions(public_key=public))
    (folder / MANIFEST).unlink()
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "O", "1": "B-X"}}), encoding="utf-8")
    with pytest.raises(BundleError, match="nothing in it is signed"):
        Recognizer.load(folder, options=LoadOptions(public_key=public))


@pytest.mark.parametrize("verify", ["size", "off"])
def test_a_key_without_hashes_is_refused(signed: tuple[Path, Path], verify: str) -> None:
    """The signature is over hashes: unless they are compared it says nothing of the files."""
    with pytest.raises(InputError, match="expected 'full'"):
        Recognizer.load(signed[0], options=LoadOptions(verify=verify, public_key=signed[1]))


def test_a_key_that_is_none_is_refused(signed: tuple[Path, Path], tmp_path: Path) -> None:
    """Missing, no PEM, the private one, of another kind: never taken for no key."""
    folder, _ = signed
    (tmp_path / "text").write_text("no key")
    _, other_kind = keys(tmp_path, "ec", kind="ec")
    for key in (tmp_path / "gone", tmp_path / "text", tmp_path / "own.pem", other_kind):
        with pytest.raises(InputError, match="key"):
            Recognizer.load(folder, options=LoadOptions(public_key=key))


def test_the_command_line_takes_a_key(signed: tuple[Path, Path], tmp_path: Path) -> None:
    """`--public-key`: exit code 0 for the right key, 1 for a wrong one, 2 for none."""
    folder, public = signed
    note = tmp_path / "note.txt"
    note.write_text(NOTE, encoding="utf-8")
    _, other = keys(tmp_path, "other")
    call = ["extract", str(note), "--model", str(folder), "--public-key"]
    assert [main([*call, str(key)]) for key in (public, other, tmp_path / "gone")] == [0, 1, 2]


def test_a_broken_bundle_is_not_signed(tmp_path: Path) -> None:
    """A signature says that the bundle was whole when it was made."""
    secret, _ = keys(tmp_path, "own")
    folder = bundles.bundle(tmp_path / "bundle")
    (folder / bundles.MODEL).write_bytes(b"x")
    with pytest.raises(BundleError, match="damaged"):
        sign(folder, secret)
    assert not (folder / SIGNATURE).exists()


def test_a_private_key_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """Missing, no PEM, encrypted, public, of another kind: each with its reason."""
    folder = bundles.bundle(tmp_path / "bundle")
    (tmp_path / "text").write_text("no key")
    _, public = keys(tmp_path, "own")
    locked, _ = keys(tmp_path, "locked", password=b"secret")
    other_kind, _ = keys(tmp_path, "ec", kind="ec")
    for key, reason in {
        tmp_path / "gone": "cannot be read",
        tmp_path / "text": "not a private key",
        public: "not a private key",
        locked: "encrypted",
        other_kind: "Ed25519",
    }.items():
        with pytest.raises(ExportError, match=reason):
            sign(folder, key)


def test_openssl_makes_and_checks_the_same_signature(tmp_path: Path) -> None:
    """Bundles can be signed and checked where clinspan is not installed."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = bundles.bundle(tmp_path / "bundle")
    secret, public = tmp_path / "s.pem", tmp_path / "p.pem"

    def run(*arguments: object) -> None:
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)

    run("genpkey", "-algorithm", "ed25519", "-out", secret)
    run("pkey", "-in", secret, "-pubout", "-out", public)
    files = ("-rawin", "-in", folder / MANIFEST)
    run("pkeyutl", "-sign", "-inkey", secret, *files, "-out", folder / SIGNATURE)
    by_openssl = (folder / SIGNATURE).read_bytes()
    assert open_bundle(folder, public_key=public)
    assert sign(folder, secret).read_bytes() == by_openssl
    run("pkeyutl", "-verify", "-pubin", "-inkey", public, *files, "-sigfile", folder / SIGNATURE)


def test_without_cryptography_a_key_is_an_error(
    signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the extra; the bundle is never loaded unchecked."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingDependencyError, match=r"clinspan\[signing\]"):
        Recognizer.load(signed[0], options=LoadOptions(public_key=signed[1]))
    with pytest.raises(MissingDependencyError, match=r"clinspan\[signing\]"):
        sign(signed[0], tmp_path / "own.pem")
