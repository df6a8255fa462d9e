"""What .lab holds: the description of a running lab, keys and certificates."""

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from lab.credentials import ensure_authority, ensure_certificate, ensure_ssh_key
from lab.state import Lab, LabError, LabHost, read_lab, write_lab

HOST = LabHost("10.213.0.11", "postal1.lab.test", 20001, "root", {"22": 20001, "443": 20002})


def lab(directory: Path) -> Lab:
    return Lab(
        directory=directory,
        hosts={"postal1": HOST},
        registry="registry.lab.test:5000",
        acme_directory="https://acme.internet.test:14000/dir",
        resolver="10.213.0.3",
        authority="10.213.0.2",
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_lab(lab(tmp_path))
    assert read_lab(tmp_path) == lab(tmp_path)


@pytest.mark.parametrize("text", [None, "", "{}", '{"hosts": {"postal1": {}}}', "[]"])
def test_without_a_lab_the_remedy_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "lab.json").write_text(text)
    with pytest.raises(LabError, match="run `mailfleet lab up`"):
        read_lab(tmp_path)


def test_keys_are_private_and_made_once(tmp_path: Path) -> None:
    key = tmp_path / "id_ed25519"
    public = ensure_ssh_key(key, "lab")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert public.startswith("ssh-ed25519 ") and public.endswith(" lab")
    assert ensure_ssh_key(key, "lab") == public


def test_certificates_verify_against_the_authority(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    ensure_authority(tmp_path)
    names = ("registry.lab.test", "127.0.0.1")
    certificate, _ = ensure_certificate(tmp_path, "registry", names)
    assert ensure_certificate(tmp_path, "registry", names)[0] == certificate

    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    leaf = x509.load_pem_x509_certificate(certificate)
    verifier = PolicyBuilder().store(Store([authority]))
    verifier.build_server_verifier(x509.DNSName("registry.lab.test")).verify(leaf, [])
    assert stat.S_IMODE((tmp_path / "ca.key").stat().st_mode) == 0o600
