"""Generated values have the form that their consumers read."""

import base64
import re
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mailfleet.secrets import generate


def test_password():
    assert re.fullmatch(r"[A-Za-z0-9]{40}", generate.password(40)())
    assert len(generate.password()()) == 32


def test_random_hex():
    assert re.fullmatch(r"[0-9a-f]{128}", generate.random_hex(64)())


def test_token():
    value = generate.token(30)()
    assert len(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))) == 30


def test_rsa_key_is_a_traditional_pem():
    pem = generate.rsa_key()()
    assert pem.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert pem.endswith("-----END RSA PRIVATE KEY-----\n")
    assert load_pem_private_key(pem.encode(), None).key_size == 2048


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs the openssl command")
def test_openssl_reads_the_rsa_key():
    checked = subprocess.run(
        ["openssl", "rsa", "-check", "-noout"],
        input=generate.rsa_key()(),
        text=True,
        capture_output=True,
        check=True,
    )
    assert "RSA key ok" in checked.stdout


@pytest.mark.parametrize(
    "make", [generate.password(), generate.random_hex(16), generate.token(), generate.rsa_key()]
)
def test_no_two_values_are_the_same(make):
    assert make() != make()


def test_generators_say_what_they_make():
    assert str(generate.rsa_key(4096)) == "RSA key of 4096 bits"
    assert "password of 32" in str(generate.password())


@pytest.mark.parametrize(
    "weak",
    [
        lambda: generate.password(15),
        lambda: generate.random_hex(15),
        lambda: generate.token(15),
        lambda: generate.rsa_key(1024),
    ],
)
def test_weak_values_are_refused(weak):
    with pytest.raises(ValueError, match="too weak"):
        weak()
