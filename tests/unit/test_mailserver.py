"""The mailserver from settings alone: what is refused, and what is rendered."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from mailfleet.checks.probe import ExternalProbe, Probe
from mailfleet.components.caddy import bundle as caddy
from mailfleet.components.caddy.probes import probes as caddy_probes
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.mailserver import maps
from mailfleet.components.mailserver.accounts import account_line
from mailfleet.components.mailserver.bundle import bundle
from mailfleet.components.mailserver.configuration import CONFIG
from mailfleet.components.mailserver.probes import probes
from mailfleet.components.mailserver.records import records
from mailfleet.components.mailserver.rules import secret_problems
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.deploying.records import desired_records
from mailfleet.dns.record import ConflictingRecordsError
from mailfleet.fleet.errors import SettingsError
from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import Secret
from mailfleet.templates import render
from tests.unit.dns.tls import certified

INVENTORY = """
mailserver = [("mx1", {"host_fqdn": "mx1.example.com", "host_public_ipv4": "192.0.2.20"})]
"""

MAILSERVER = """
from mailfleet.secrets import secret
mailserver_hostname = "mx1.example.com"
mailserver_domains = ["in.example.com"]
mailserver_postmaster = "postmaster@in.example.com"
mailserver_accounts = {"app@example.com": secret("mailserver/app")}
mailserver_api_address = "192.0.2.30"
mailserver_tls = "given"
email_api_aliases = {"postmaster@in.example.com": ["me@example.org"]}
"""

MakeFleet = Callable[..., Fleet]


@pytest.fixture
def mailserver(fleet_from: MakeFleet) -> MakeFleet:
    def make(more: str = "", inventory: str = INVENTORY) -> Fleet:
        return fleet_from(inventory=inventory, mailserver=MAILSERVER + more)

    return make


def wanted(fleet: Fleet) -> Bundle:
    masked = Fleet(fleet.hosts, fleet.directory, fleet.schema, masked=True)
    return bundle(masked, masked.hosts["mx1"])


def content(found: Bundle, name: str) -> str:
    return found.file(f"{CONFIG}/{name}").content.decode()


REFUSED = {
    "the release whose quota check rejects aliases": (
        'mailserver_version = "16.0.0"',
        ("mailserver_version", "16.0.1 or 15.1.0"),
    ),
    "quotas": (
        'mailserver_environment = {"ENABLE_QUOTAS": "1"}',
        ("mailserver_environment", "refuses all aliases"),
    ),
    "Amavis": (
        'mailserver_environment = {"ENABLE_AMAVIS": "1"}',
        ("mailserver_environment", "envelope recipient is lost"),
    ),
    "relaying for Docker's networks": (
        'mailserver_environment = {"PERMIT_DOCKER": "network"}',
        ("mailserver_environment", "open relay"),
    ),
    "a password in a variable": (
        'mailserver_environment = {"RELAY_PASSWORD__FILE": "/x"}',
        ("mailserver_environment", "mailserver_relay_password"),
    ),
    "a quote that would end the variable": (
        'mailserver_environment = {"TZ": "a\'b"}',
        ("mailserver_environment", "quote"),
    ),
    "other transport maps": (
        'mailserver_postfix_main = {"transport_maps": "hash:/x"}',
        ("mailserver_postfix_main", "handoff owns it"),
    ),
    "a postmaster whose mail would bounce": (
        'mailserver_postmaster = "nobody@in.example.com"',
        ("mailserver_postmaster", "neither an alias nor an account"),
    ),
    "a host name that is a mail domain": (
        'mailserver_domains = ["in.example.com", "mx1.example.com"]',
        ("mailserver_domains", "mx1.example.com"),
    ),
    "an alias of another domain": (
        'email_api_aliases = {"postmaster@in.example.com": [], "a@other.example.com": []}',
        ("email_api_aliases", "not in mailserver_domains"),
    ),
    "messages that the API would refuse": (
        "mailserver_max_message_mb = 30",
        ("mailserver_max_message_mb", "email_api_max_message_mb"),
    ),
    "no account": ("mailserver_accounts = {}", ("mailserver_accounts", "at least 1")),
    "no API": ("mailserver_api_address = None", ("mailserver_api_address", "is required")),
    "Caddy's certificate without Caddy": ('mailserver_tls = "caddy"', ("mailserver_tls", "caddy")),
}


@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_break_the_handoff_are_refused(mailserver: MakeFleet, name: str) -> None:
    text, words = REFUSED[name]
    with pytest.raises(SettingsError) as refused:
        mailserver(f"{text}\n")
    told = [str(one) for one in refused.value.problems]
    assert any(all(word in line for word in words) for line in told), told


def test_lmtp_needs_the_api_on_the_same_host(mailserver: MakeFleet) -> None:
    more = 'mailserver_api_address = None\nmailserver_handoff = "lmtp"\n'
    api = """
email_api = [("api1", {"host_fqdn": "api1.example.com", "host_private_ipv4": "10.0.0.3"})]
"""
    with pytest.raises(SettingsError, match=r"lmtp.*carries no key"):
        mailserver(more, INVENTORY + api)


def test_a_hash_is_bcrypt_and_the_same_each_time() -> None:
    password, key = Secret("correct horse battery staple"), Secret("salt key")
    line = account_line("app@example.com", password, key)
    address, _, stored = line.strip().partition("|")
    assert address == "app@example.com"
    scheme, stored = stored[:11], stored[11:]
    assert scheme == "{BLF-CRYPT}"
    assert bcrypt.checkpw(password.reveal().encode(), stored.encode())
    assert line == account_line("app@example.com", password, key)
    assert line != account_line("bpp@example.com", password, key)
    assert line != account_line("app@example.com", password, Secret("another"))


CATCH_ALL = """
mailserver_accounts = {"app@in.example.com": secret("mailserver/app")}
email_api_aliases = {"@in.example.com": ["me@example.org"]}
"""


def test_a_catch_all_leaves_an_account_its_mail(mailserver: MakeFleet) -> None:
    fleet = mailserver(CATCH_ALL)
    transport = content(wanted(fleet), "handoff/transport").splitlines()
    assert transport[1:] == ["in.example.com curl_email:", "app@in.example.com :"]
    host = fleet.hosts["mx1"]
    older_way = host[MailserverSettings].model_copy(update={"handoff": "alias"})
    virtual = maps.virtual(older_way, host[EmailApiSettings]).splitlines()
    assert virtual[1:] == ["@in.example.com curl_email", "app@in.example.com app@in.example.com"]


def test_only_what_is_read_at_creation_makes_a_new_container(mailserver: MakeFleet) -> None:
    found = wanted(mailserver())
    assert found.project
    mounted = {Path(path).name for path in found.project.mounted}
    live = {Path(path).name for path in found.project.reload_on}
    assert {"mailserver.env", "postfix-main.cf", "KeyTable"} <= mounted
    assert {"postfix-accounts.cf", "recipients", "curl-email.conf", "user-patches.sh"} <= live
    assert not mounted & live


def test_the_image_gets_no_secret_by_its_environment(mailserver: MakeFleet) -> None:
    found = wanted(mailserver())
    variables = found.file("/opt/mailserver/mailserver.env").content.decode()
    assert "SMTP_USER='app@example.com'" in variables
    assert "********" not in variables
    assert all(item.mode == 0o600 for item in found.files if item.secret)


ANSWERS = {
    "202": (0, ""),
    "204": (0, ""),
    "302": (75, "4.3.0 "),
    "400": (75, "4.3.0 "),
    "401": (75, "4.3.0 "),
    "404": (75, "4.3.0 "),
    "410": (67, "5.1.1 "),
    "413": (69, "5.3.4 "),
    "500": (75, "4.3.0 "),
    "503": (75, "4.3.0 "),
    "000": (75, "4.3.0 "),
    "": (75, "4.3.0 "),
}


def _script(fleet: Fleet, directory: Path, curl: str) -> Path:
    """The script of the pipe, with a curl of our own in front of the real one."""
    host = fleet.hosts["mx1"]
    text = render(
        "mailserver/curl-email.sh", settings=host[MailserverSettings], api=host[EmailApiSettings]
    ).text
    script = directory / "curl-email.sh"
    script.write_text(text)
    for name, code in (("curl", curl), ("logger", ":")):
        (directory / name).write_text(f"#!/bin/sh\n{code}\n")
        (directory / name).chmod(0o755)
    return script


def _hand_over(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", script, *arguments],
        env={"PATH": f"{script.parent}:/usr/bin:/bin"},
        input="Subject: x\r\n\r\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_only_a_2xx_is_success(mailserver: MakeFleet, tmp_path: Path, answer: str) -> None:
    script = _script(mailserver(), tmp_path, f"cat >/dev/null; printf '%s' '{answer}'")
    done = _hand_over(script, "4bX", "a@b.c", "r@b.c", "r@b.c", "")
    code, said = ANSWERS[answer]
    assert done.returncode == code
    assert done.stdout.startswith(said)


def test_a_curl_that_fails_keeps_the_mail(mailserver: MakeFleet, tmp_path: Path) -> None:
    script = _script(mailserver(), tmp_path, "printf 200; exit 56")
    assert _hand_over(script, "4bX", "a@b.c", "r@b.c", "r@b.c", "").returncode == 75


def test_an_unknown_alias_bounces_where_that_is_asked_for(
    mailserver: MakeFleet, tmp_path: Path
) -> None:
    script = _script(mailserver('email_api_unknown_alias = "bounce"\n'), tmp_path, "printf 404")
    done = _hand_over(script, "4bX", "a@b.c", "r@b.c", "r@b.c", "")
    assert (done.returncode, done.stdout) == (67, "5.1.1 no such recipient\n")


HEADER_VALUES = {
    "a+b@example.com": "a+b@example.com",
    "a\r\nX-Evil: 1@b.c": "%61%0d%0a%58%2d%45%76%69%6c%3a%20%31%40%62%2e%63",
    "100%25@b.c": "%31%30%30%25%32%35%40%62%2e%63",
    "ü@b.c": "%c3%bc%40%62%2e%63",
    "`id`$(id)@b.c": "`id`$(id)@b.c",
}


@pytest.mark.parametrize("address", HEADER_VALUES)
def test_no_address_makes_a_header_of_its_own(
    mailserver: MakeFleet, tmp_path: Path, address: str
) -> None:
    log = tmp_path / "arguments"
    script = _script(mailserver(), tmp_path, f"printf '%s\\n' \"$@\" >{log}; printf 202")
    assert _hand_over(script, "4bX", address, "r@b.c", "r@b.c", "").returncode == 0
    lines = log.read_text().split("\n")
    assert f"X-Envelope-Sender: {HEADER_VALUES[address]}" in lines
    assert "X-Sasl-Username;" in lines


def test_notices_of_postfix_are_for_an_alias_that_the_api_knows(mailserver: MakeFleet) -> None:
    lines = content(wanted(mailserver('mailserver_handoff = "alias"\n')), "postfix-main.cf")
    assert "error_notice_recipient = postmaster@in.example.com\n" in lines


def test_a_postmaster_with_a_mailbox_gets_mail_to_the_host_there(mailserver: MakeFleet) -> None:
    # The catch-all of its domain takes the mail of others.
    more = """
mailserver_handoff = "alias"
mailserver_domains = ["in.example.com"]
mailserver_accounts = {"ops@in.example.com": secret("mailserver/app")}
mailserver_postmaster = "Ops@in.example.com"
email_api_aliases = {"@in.example.com": ["me@example.org"]}
"""
    assert "postmaster: root\n" in content(wanted(mailserver(more)), "postfix-aliases.cf")


@pytest.mark.parametrize(
    ("more", "line"),
    [
        ('mailserver_handoff = "lmtp"\n', "email_api_destination_concurrency_limit=20"),
        (
            'mailserver_handoff = "lmtp"\nmailserver_handoff_processes = 5\n',
            "email_api_destination_concurrency_limit=5",
        ),
        ("", "curl_email_destination_concurrency_limit=10"),
    ],
)
def test_so_many_are_handed_over_at_a_time(mailserver: MakeFleet, more: str, line: str) -> None:
    assert line in content(wanted(mailserver(more)), "user-patches.sh")


def test_local_names_are_closed_to_clients(mailserver: MakeFleet) -> None:
    host = mailserver('mailserver_handoff = "alias"\n').hosts["mx1"]
    lines = maps.receive_access(host[MailserverSettings], host[EmailApiSettings]).splitlines()
    assert "mx1.example.com 550 5.1.1 No mailboxes here" in lines
    assert "curl_email@ 550 5.1.1 No mailbox of this name" in lines


BOUNCES = {
    "pipe": ("handoff/srs", "curl_email:"),
    "lmtp": ("handoff/srs", "email_api:inet:email-api:2400"),
    "alias": ("postfix-regexp.cf", "curl_email"),
}


@pytest.mark.parametrize("handoff", BOUNCES)
def test_bounces_to_rewritten_senders_go_to_the_api(mailserver: MakeFleet, handoff: str) -> None:
    name, target = BOUNCES[handoff]
    more = f'mailserver_handoff = "{handoff}"\nemail_api_srs_domain = "in.example.com"\n'
    found = wanted(mailserver(more))
    (line,) = content(found, name).splitlines()[1:]
    pattern, _, way = line.partition(" ")
    assert way == target
    rewritten = "SRS0=abcdefghij=q2=sender.test=an+author@in.example.com"
    assert re.search(pattern.strip("/"), rewritten)
    assert not re.search(pattern.strip("/"), f"{rewritten}.example.org")
    assert "in.example.com rewritten_sender" in content(found, "postfix-receive-access.cf")
    assert "rewritten_sender, bounces_only" in content(found, "postfix-main.cf")


def test_another_host_s_rewritten_senders_are_no_recipients(mailserver: MakeFleet) -> None:
    found = wanted(mailserver('email_api_srs_domain = "srs.example.com"\n'))
    assert f"{CONFIG}/handoff/srs" not in {item.path for item in found.files}
    assert "rewritten_sender" not in content(found, "postfix-main.cf")


SECRETS = {
    "a password with a line break": ("mailserver/app", "two\nlines"),
    "a password of which bcrypt reads a part": ("mailserver/app", "x" * 73),
    "a key that is no bearer token": ("email_api/psk", 'quoted "key"'),
    "a key in front of its certificate": ("email_api/authority", "-----BEGIN PRIVATE KEY-----"),
}


@pytest.mark.parametrize("case", SECRETS)
def test_secrets_that_do_not_fit_are_named_and_not_shown(
    mailserver: MakeFleet, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    name, wrong = SECRETS[case]
    good = {
        "mailserver/app": "password",
        "email_api/psk": "key",
        "email_api/authority": "-----BEGIN CERTIFICATE-----",
    }
    monkeypatch.setattr(Fleet, "value", lambda _, ref: Secret({**good, name: wrong}[ref.name]))
    (problem,) = secret_problems(mailserver())
    assert problem.key == name
    assert wrong not in str(problem)


def test_caddy_beside_the_mailserver_serves_its_name_only(mailserver: MakeFleet) -> None:
    more = 'mailserver_tls = "caddy"\ncaddy_acme_email = "me@example.com"\n'
    fleet = mailserver(more, f"{INVENTORY}caddy = mailserver\n")
    served = caddy.bundle(fleet, fleet.hosts["mx1"]).file("/opt/caddy/etc/Caddyfile")
    assert b"\nmx1.example.com {" in served.content
    assert b"reverse_proxy" not in served.content
    assert [probe.name for probe in caddy_probes(fleet, fleet.hosts["mx1"])] == [
        "redirect",
        "certificate of mx1.example.com",
        "chain of mx1.example.com from here",
    ]


@pytest.mark.parametrize("fail2ban", [True, False])
def test_no_probe_gets_its_machine_banned(mailserver: MakeFleet, fail2ban: bool) -> None:
    """fail2ban takes who asks for relaying for a spammer."""
    fleet = mailserver(f"mailserver_fail2ban = {fail2ban}\n")
    found = probes(fleet, fleet.hosts["mx1"])
    relay = {one.name for one in found if isinstance(one, ExternalProbe) and "relay" in one.name}
    asked = {f"relay on port {port} from here" for port in (25, 465, 587)}
    assert relay == (set() if fail2ban else asked)


def test_a_port_that_nobody_serves_is_no_wrong_certificate(mailserver: MakeFleet) -> None:
    fleet = mailserver()
    (probe,) = (it for it in probes(fleet, fleet.hosts["mx1"]) if it.name.endswith("port 465"))
    assert isinstance(probe, Probe)
    # Of the discard service (RFC 863), which nobody runs.
    nobody = probe.command.replace("127.0.0.1:465", "127.0.0.1:9")
    done = subprocess.run(["sh", "-c", nobody], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "no certificate\n")


def test_dns_names_the_mailserver(mailserver: MakeFleet) -> None:
    fleet = mailserver("mailserver_dkim = False\n")
    found = {(record.name, record.type): record.values for record in records(fleet)}
    assert found == {
        ("mx1.example.com", "A"): ("192.0.2.20",),
        ("mx1.example.com", "TXT"): ("v=spf1 a -all",),
        ("20.2.0.192.in-addr.arpa", "PTR"): ("mx1.example.com",),
        ("in.example.com", "MX"): ("10 mx1.example.com",),
        ("example.com", "TXT"): ("v=spf1 a:mx1.example.com ~all",),
        ("_dmarc.example.com", "TXT"): ("v=DMARC1; p=none",),
    }


def test_mail_programs_find_submission_and_senders_the_key_of_the_given_certificate(
    mailserver: MakeFleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certified(tmp_path, "mx1.example.com")
    pem = (tmp_path / "server.pem").read_text()
    monkeypatch.setenv("MAILFLEET_SECRET_MAILSERVER_CERTIFICATE", pem.partition("KEY-----\n")[2])
    fleet = mailserver(
        'secrets_backend = "environment"\nmailserver_dkim = False\n'
        'dns_dane = ["mx1.example.com"]\ndns_submission_domains = ["example.com"]\n'
    )
    found = {(record.name, record.type): record.values for record in desired_records(fleet)}
    # By another program than the one under test.
    command = (
        "openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r"
    )
    done = subprocess.run(
        ["sh", "-c", command], check=True, input=pem, capture_output=True, text=True
    )
    digest = done.stdout.split()[0]
    assert found["_25._tcp.mx1.example.com", "TLSA"] == (f"3 1 1 {digest}",)
    services = {name: values for (name, kind), values in found.items() if kind == "SRV"}
    assert services["_submissions._tcp.example.com"] == ("0 1 465 mx1.example.com",)
    assert services["_submission._tcp.example.com"] == ("0 1 587 mx1.example.com",)
    assert services["_imaps._tcp.example.com"] == ("0 0 0 .",)


def test_a_certificate_that_changes_its_key_by_itself_is_not_for_dane(
    mailserver: MakeFleet,
) -> None:
    with pytest.raises(SettingsError, match=r"mx9\.example\.com is no mail server with a given"):
        mailserver('dns_dane = ["mx9.example.com"]\n')


def test_a_domain_has_one_dmarc_policy_the_one_that_is_set(mailserver: MakeFleet) -> None:
    fleet = mailserver(
        "mailserver_dkim = False\n"
        'dns_dmarc = {"example.com": "v=DMARC1; p=reject", '
        '"example.net": "v=DMARC1; p=quarantine", '
        '"example.org": "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"}\n'
        'dns_unused_domains = ["example.org"]\n'
    )
    found = {record.name: record.values for record in desired_records(fleet)}
    assert found["_dmarc.example.com"] == ("v=DMARC1; p=reject",)
    assert found["_dmarc.example.net"] == ("v=DMARC1; p=quarantine",)
    assert found["_dmarc.example.org"] == ("v=DMARC1; p=reject; rua=mailto:dmarc@example.com",)


def test_a_domain_that_takes_mail_is_not_unused(mailserver: MakeFleet) -> None:
    fleet = mailserver('mailserver_dkim = False\ndns_unused_domains = ["in.example.com"]\n')
    with pytest.raises(
        ConflictingRecordsError, match=r"in\.example\.com: takes mail, and is in dns_un"
    ):
        desired_records(fleet)
