"""Settings: every error names the variable and what to do, and never shows a secret."""

from pathlib import Path

import pytest
from email_api.settings import SettingsError, from_environment


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret"
    secret.write_text("first\n\nsecond\n")
    return {
        "PSK_FILE": str(secret),
        "ADMIN_TOKEN_FILE": str(secret),
        "DATABASE_URL_FILE": str(secret),
        "REDIS_URL": "redis://valkey:6379/0",
        "SMTP_CLIENT_HOST": "smtp.relay.example",
        "FORWARD_SENDER": "bounces@example.com",
    }


def test_a_secret_file_may_hold_several_keys(environment: dict[str, str]) -> None:
    assert from_environment(environment).psks == ("first", "second")


@pytest.mark.parametrize(
    ("port", "tls", "encryption"),
    [
        ("25", "", "opportunistic"),
        ("465", "", "tls"),
        ("587", "", "starttls"),
        ("2525", "", "starttls"),
        ("25", "none", "none"),
    ],
)
def test_encryption_depends_on_the_port_unless_it_is_set(
    environment: dict[str, str], port: str, tls: str, encryption: str
) -> None:
    environment |= {"SMTP_CLIENT_PORT": port, "SMTP_CLIENT_TLS": tls}
    assert from_environment(environment).relay.encryption == encryption


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("REDIS_URL", "", "REDIS_URL is not set"),
        ("LISTEN_PORT", "https", "LISTEN_PORT: must be a whole number"),
        ("UNKNOWN_ALIAS", "drop", "UNKNOWN_ALIAS: must be one of defer, bounce"),
        ("SMTP_CLIENT_TLS", "ssl", "SMTP_CLIENT_TLS: must be one of starttls, tls, none"),
        ("FORWARD_SENDER", "nobody", "FORWARD_SENDER: must be an address or srs:DOMAIN"),
        ("TLS_KEY_FILE", "/key.pem", "TLS_CERTIFICATE_FILE, TLS_KEY_FILE: set both or neither"),
        ("PSK_FILE", "/none", "PSK_FILE: cannot read /none: No such file or directory"),
        ("PSK_FILE", "/dev/null", "PSK_FILE: /dev/null is empty"),
    ],
)
def test_errors_name_the_variable(
    environment: dict[str, str], variable: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment(environment | {variable: value})
    assert str(caught.value) == message


def test_a_secret_file_that_is_not_ascii_is_not_quoted(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "psk"
    file.write_text("sécret")
    with pytest.raises(SettingsError) as caught:
        from_environment(environment | {"PSK_FILE": str(file)})
    assert str(caught.value) == f"PSK_FILE: {file} must be an ASCII text file"


def test_an_invalid_arc_key_is_an_error(environment: dict[str, str]) -> None:
    environment["ARC_KEY_FILE"] = environment["PSK_FILE"]
    with pytest.raises(SettingsError, match="ARC_KEY_FILE: not an RSA private key in PEM format"):
        from_environment(environment)
