"""The check of Postal's configuration as part of the fleet's: every mistake with file and line."""

import dataclasses
from pathlib import Path

import pytest

from mailfleet.components.postal.settings import TESTED_VERSIONS, PostalSettings
from mailfleet.components.postal.yml import SCHEMA as POSTAL_SCHEMA
from mailfleet.components.postal.yml.configuration import FED_BY, configuration
from mailfleet.components.registry import SCHEMA
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.load import load_fleet
from mailfleet.secrets import MASK

CANARY = "canary-5c1d"

INVENTORY = """
_postal1 = ("postal1.example.com", {
    "host_fqdn": "postal1.example.com",
    "host_public_ipv4": "192.0.2.10",
    "host_private_ipv4": "10.0.0.2",
})
_postal2 = ("postal2.example.com", {
    "host_fqdn": "postal2.example.com",
    "host_public_ipv4": "192.0.2.11",
    "host_private_ipv4": "10.0.0.3",
})
postal = [_postal1, _postal2]
database = [_postal1]
caddy = [_postal1]
"""

POSTAL = """\
from mailfleet.secrets import secret
postal_web_hostname = "postal.example.com"
caddy_acme_email = "postmaster@example.com"
postal_smtp_tls = "off"
"""


@pytest.fixture
def fleet_with(tmp_path, monkeypatch):
    """Loads a fleet of two Postal hosts with more settings, which begin in line 5."""

    def load(settings: str = "") -> Fleet:
        monkeypatch.chdir(tmp_path)
        Path("group_data").mkdir()
        Path("group_data/all.py").write_text(POSTAL + settings)
        Path("fleet.py").write_text(INVENTORY)
        return load_fleet("fleet.py", SCHEMA)

    return load


@pytest.fixture
def problems_of(fleet_with):
    def problems(settings: str) -> list[str]:
        with pytest.raises(SettingsError) as refused:
            fleet_with(settings)
        return [str(problem) for problem in refused.value.problems]

    return problems


CONFIG = "group_data/all.py:5: postal_config"
BOOL_AS_TEXT = (
    "a text where true or false is needed: Postal could take it as false; "
    "write true or false, without quotes"
)
NO_SMTP_SCHEME = (
    "without smtp:// Postal may find no host in it: it drops such a relay, and delivers straight "
    "to the MX when none is left; write it as smtp://relay.example.com:25?ssl_mode=Auto"
)
UNKNOWN = "Postal knows no such key and ignores it"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            'postal_config = {"smtp_sever": {"max_message_size": 20}}',
            f'{CONFIG}["smtp_sever"]: {UNKNOWN}; did you mean smtp_server?',
        ),
        (
            'postal_config = {"smtp_server": {"max_mesage_size": 20}}',
            f'{CONFIG}["smtp_server"]["max_mesage_size"]: {UNKNOWN}; '
            "did you mean smtp_server.max_message_size?",
        ),
        (
            'postal_config = {"web": {"host": "postal.example.com"}}',
            f'{CONFIG}["web"]["host"]: a name of version 1, which Postal ignores in a version 2 '
            "file; use postal.web_hostname",
        ),
        (
            'postal_config = {"dns": {"timeout": 1}}',
            f'{CONFIG}["dns"]["timeout"]: less than 2; give 2 or more',
        ),
        (
            'postal_config = {"smtp_server": {"proxy_protocol": "yes"}}',
            f'{CONFIG}["smtp_server"]["proxy_protocol"]: {BOOL_AS_TEXT}',
        ),
        (
            'postal_config = {"dns": {}}',
            f'{CONFIG}["dns"]: an empty group stops Postal from starting; leave the group out',
        ),
        (
            'postal_config = {"dns": "mx.example.com"}',
            f'{CONFIG}["dns"]: a group must hold keys; '
            "put `key: value` lines under it or leave it out",
        ),
        (
            'postal_config = {"dns": None}',
            f'{CONFIG}["dns"]: an empty group stops Postal from starting; '
            "put `key: value` lines under it or leave it out",
        ),
        (
            'postal_config = {"version": 1}',
            f'{CONFIG}["version"]: not the version of this format; write `version: 2`, no quotes',
        ),
        (
            'postal_config = {"dns": {"mx_records": ["mx.example.com", "192.0.2.10"]}}',
            f'{CONFIG}["dns"]["mx_records"][1]: an address, not a host name; '
            "write it as mail.example.com",
        ),
        (
            'postal_config = {"oidc": {"name": secret("a/b"), "discovery": secret("a/b")}}',
            f'{CONFIG}["oidc"]["discovery"]: {BOOL_AS_TEXT}',
        ),
        (
            # The pool follows postal_web_max_threads, so it is postal_config that is at fault.
            'postal_config = {"web_server": {"max_threads": 9}}',
            f'{CONFIG}["main_db"]["pool_size"]: fewer connections than web_server.max_threads: '
            "requests wait and time out; give 9 or more",
        ),
        (
            'postal_relays = ["relay.example.com:25"]',
            f"group_data/all.py:5: postal_relays[0]: {NO_SMTP_SCHEME}",
        ),
        (
            'postal_relays = ["smtp://a.example.com", "smtp://b.example.com?ssl_mode=STARTTLS"]',
            "group_data/all.py:5: postal_relays[1]: Postal 3.3 misspells STARTTLS in its own list "
            "and sends in clear text instead; use ssl_mode=TLS where the relay takes TLS from the "
            "start (port 465), else Auto",
        ),
        (
            'postal_version = "3.3.6"\npostal_allowed_request_destinations = ["10.0.0.5"]',
            "group_data/all.py:6: postal_allowed_request_destinations: Postal 3.3.6 ignores it: "
            "new in 3.3.7; remove it",
        ),
        (
            'postal_config = {"postal": {"batch_queued_messages": False}}\n'
            'postal_version = "3.2.2"',
            f'{CONFIG}["postal"]["batch_queued_messages"]: Postal 3.2.2 ignores it: '
            "new in 3.3.0; remove it",
        ),
        (
            'postal_oidc_issuer = "https://login.example.com"',
            "group_data/all.py:5: postal_oidc_identifier: not given: logging in with OpenID "
            "Connect would fail; set it",
        ),
        (
            # The name of Postal's web interface is that of other things by default.
            'postal_smtp_hostname = "192.0.2.10"',
            "group_data/all.py:5: postal_smtp_hostname: an address, not a host name; "
            "write it as mail.example.com",
        ),
    ],
)
def test_a_mistake_is_told_once_with_its_place(problems_of, settings, problem):
    assert problems_of(settings) == [problem]


def test_all_mistakes_are_told_at_once(problems_of):
    found = problems_of(
        'postal_relays = ["relay.example.com"]\n'
        "postal_config = {\n"
        '    "smtp_sever": {"tls_enabled": True},\n'
        '    "smtp_server": {"max_mesage_size": 20, "proxy_protocol": "yes"},\n'
        '    "gelf": {},\n'
        '    "dns": [],\n'
        "}\n"
        'postal_networking = "bridge"\n'
        "postal_use_ip_pools = True\n"
    )
    assert [text.partition(": ")[2].partition(": ")[0] for text in found] == [
        "postal_use_ip_pools",
        "postal_relays[0]",
        'postal_config["dns"]',
        'postal_config["gelf"]',
        'postal_config["smtp_server"]["max_mesage_size"]',
        'postal_config["smtp_server"]["proxy_protocol"]',
        'postal_config["smtp_sever"]',
    ]
    places = [text.partition(": ")[0] for text in found]
    assert sorted(set(places)) == [f"group_data/all.py:{line}" for line in (13, 5, 6)]


def test_a_value_is_never_shown(problems_of):
    found = problems_of(
        "postal_config = {\n"
        f'    "main_db": {{"password": "{CANARY}\\\\", "port": "{CANARY}"}},\n'
        f'    "rails": {{"secret_key": ["{CANARY}"]}},\n'
        f'    "logging": {{"sentry_dsn": "{CANARY}\\n"}},\n'
        "}\n"
        f'postal_relays = ["{CANARY}:{CANARY}@relay.example.com"]\n'
    )
    assert len(found) == 5
    assert CANARY not in "\n".join(found)


def test_a_good_configuration_is_no_problem(fleet_with):
    fleet = fleet_with(
        'postal_relays = ["smtp://relay.example.com:465?ssl_mode=TLS"]\n'
        'postal_oidc_issuer = "https://login.example.com"\n'
        'postal_oidc_identifier = "postal"\n'
        'postal_subnet = "172.27.25.1/32"\n'
        'postal_trusted_proxies = ["172.27.25.1/32"]\n'
        "postal_config = {\n"
        '    "version": 2,\n'
        '    "postal": {"default_spam_threshold": 6},\n'
        '    "smtp": {"host": secret("smtp/host"), "username": "postal",'
        ' "password": secret("smtp/password")},\n'
        '    "dns": {"mx_records": (secret("dns/a"), secret("dns/b"))},\n'
        "}\n"
    )
    masked = dataclasses.replace(fleet, masked=True)
    config = configuration(masked, fleet.hosts["postal1.example.com"])
    assert config["smtp"]["host"] == config["smtp"]["password"] == MASK
    assert config["dns"]["mx_records"] == [MASK, MASK]
    assert config["postal"]["default_spam_threshold"] == 6
    assert config["postal"]["trusted_proxies"] == ["172.27.25.1/32"]
    assert "version" not in config


def test_secrets_in_postal_config_are_looked_up(fleet_with, monkeypatch):
    fleet = fleet_with(
        'secrets_backend = "environment"\n'
        'postal_config = {"smtp": {"username": "postal", "password": secret("smtp/password")}}\n'
    )
    names = {use.ref.name for use in fleet.secret_uses}
    assert "smtp/password" in names
    for name in names:
        variable = f"MAILFLEET_SECRET_{name.upper().replace('/', '_')}"
        monkeypatch.setenv(variable, f"value of {name}")
    config = configuration(fleet, fleet.hosts["postal1.example.com"])
    assert config["smtp"]["password"] == "value of smtp/password"


@pytest.mark.parametrize("version", [*TESTED_VERSIONS, "3.0.0", "latest"])
def test_defaults_are_no_problem_with_any_version(fleet_with, version):
    fleet = fleet_with(f'postal_version = "{version}"')
    assert fleet[PostalSettings].version == version


def test_openid_connect_can_be_completed_in_postal_config(fleet_with):
    fleet_with(
        'postal_oidc_issuer = "https://login.example.com"\n'
        'postal_config = {"oidc": {"identifier": "postal"}}\n'
    )


def test_every_key_that_a_setting_feeds_exists(fleet_with):
    keys = {f"{group}.{name}" for group, names in POSTAL_SCHEMA.items() for name in names}
    assert set(FED_BY) <= keys
    host = fleet_with().hosts["postal1.example.com"]
    assert {setting for settings in FED_BY.values() for setting in settings} <= set(host.origins)


def test_the_example_fleet_loads(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    assert load_fleet("inventories/prod.py", SCHEMA).with_role("postal_web")
