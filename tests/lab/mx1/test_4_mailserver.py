"""Mail comes in, is handed to the API whole and once, and nobody else may use the host."""

import ipaddress
import smtplib
import ssl
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab import sink as sinks
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until
from tests.lab.mail import wait_for
from tests.lab.sink import Sink
from tests.lab.store import secret_values

ALIAS = "sales@in.lab.test"
OUTSIDE = "inbox@internet.test"
HANDOFFS = ("alias", "lmtp", "pipe")
DEPLOY = "deploys/mailserver.py"


def _deploy(operator: Operator) -> None:
    operator.deploy("--limit", "mx1", deploy=DEPLOY).ok()


@pytest.fixture(scope="module")
def sink(lab: Lab, operator: Operator) -> Iterator[Sink]:
    """The API's place, at this machine's address in the lab's network."""
    network = ipaddress.ip_network(f"{lab.hosts['mx1'].address}/24", strict=False)
    secrets = secret_values()
    authority, psk = secrets["email_api/authority"], secrets["email_api/psk"]
    with sinks.running(str(network[1]), authority, psk) as found:
        yield found


@pytest.fixture(scope="module")
def ingress(
    operator: Operator, sink: Sink, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Operator:
    """The operator of a deployed mailserver that has the sink for its API."""
    network = ipaddress.ip_network(f"{lab.hosts['mx1'].address}/24", strict=False)
    changes = f'settings["mailserver_api_address"] = "{network[1]}"'
    found = operator.variant(tmp_path_factory.mktemp("ingress"), changes)
    _deploy(found)
    return found


@pytest.fixture(autouse=True)
def _api_is_well(sink: Sink) -> None:
    sink.status, sink.psk = 202, secret_values()["email_api/psk"]


@pytest.fixture(scope="module", params=HANDOFFS)
def handoff(
    request: pytest.FixtureRequest, ingress: Operator, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Each way of handing over, deployed; the last is the default."""
    changes = f'settings["mailserver_handoff"] = "{request.param}"'
    _deploy(ingress.variant(tmp_path_factory.mktemp("handoff"), changes))
    return str(request.param)


def _send(mx1: Machine, recipient: str, content: bytes, sender: str = "a@internet.test") -> None:
    with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
        assert not smtp.sendmail(sender, [recipient], content, ["BODY=8BITMIME"])


def _message(mark: str, body: bytes = b"Hello.\r\n") -> bytes:
    return b"Subject: test\r\nMessage-ID: <%s@internet.test>\r\n\r\n" % mark.encode() + body


def _queue(mx1: Machine) -> str:
    return mx1.run("docker exec mailserver postqueue -j")


def _arrives(sink: Sink, mark: str, seconds: float = 180) -> bytes:
    found = until(lambda: sink.of(mark.encode()), f"{mark} at the API", seconds)
    assert len(found) == 1
    return found[0].body


def test_a_second_run_changes_nothing(ingress: Operator) -> None:
    dry = ingress.dry("--diff", "--limit", "mx1", deploy=DEPLOY).ok()
    assert dry.planned == {}, dry
    again = ingress.deploy("--limit", "mx1", deploy=DEPLOY).ok()
    assert again.changed == {}, again


def test_the_mailserver_is_healthy(ingress: Operator) -> None:
    outcome = ingress.run("mailfleet", "health", ingress.inventory, "--role", "mailserver").ok()
    assert " fail " not in outcome.screen, outcome


def test_a_wrong_key_is_named_and_nothing_else(ingress: Operator, sink: Sink) -> None:
    sink.psk = "another"
    outcome = ingress.run_json(
        "mailfleet", "health", ingress.inventory, "--role", "mailserver", "--quick", "--json"
    )
    unwell = {
        f"{one['component']}: {one['name']}": one["message"]
        for one in outcome.data
        if one["status"] == "fail"
    }
    assert unwell == {"mailserver: e-mail API": "answers 401"}
    assert outcome.code == 2


def test_a_parameter_set_by_hand_is_named_and_nothing_else(ingress: Operator, mx1: Machine) -> None:
    postconf = "docker exec mailserver postconf"
    former = mx1.run(f"{postconf} -h queue_run_delay").strip()
    mx1.run(f"{postconf} -e queue_run_delay=9s")
    try:
        outcome = ingress.run_json("mailfleet", "drift", ingress.inventory, DEPLOY, "--json")
    finally:
        mx1.run(f"{postconf} -e queue_run_delay={former}")
    found = [
        (one["component"], one["kind"], one["name"], one["desired"], one["observed"])
        for host in outcome.data["hosts"]
        for one in host["findings"]
    ]
    assert found == [("mailserver", "variable", "queue_run_delay", former, "9s")], outcome.data


BODIES = {
    "8-bit": "Grüße aus Köln\r\n".encode() + bytes(range(128, 256)) + b"\r\n",
    "dots": b".\r\n..\r\n.text\r\n",
    "long lines": b"x" * 5000 + b"\r\n" + b"y" * 998 + b"\r\n",
    "a line like mbox": b"From here on\r\n>From there\r\n",
    "25 MB": (b"0123456789abcdef" * 4 + b"\r\n") * 378_000,
}


@pytest.mark.parametrize("name", BODIES)
def test_bytes_arrive_unchanged(handoff: str, name: str, mx1: Machine, sink: Sink) -> None:
    mark = uuid.uuid4().hex
    message = _message(mark, BODIES[name])
    _send(mx1, ALIAS, message)
    arrived = _arrives(sink, mark)
    # local(8) ends lines as Unix does; the message starts with trace headers, no mbox line.
    wanted = message.replace(b"\r\n", b"\n") if handoff == "alias" else message
    assert arrived.endswith(wanted)
    assert not arrived.startswith(b"From ")


def test_mail_waits_for_the_api_and_is_delivered_once(
    handoff: str, mx1: Machine, sink: Sink
) -> None:
    sink.status = 503
    mark = uuid.uuid4().hex
    before = sink.refused
    _send(mx1, ALIAS, _message(mark))
    until(lambda: sink.refused > before, "a try")
    until(lambda: "delay_reason" in _queue(mx1), "deferred mail")
    sink.status = 202
    mx1.run("docker exec mailserver postqueue -f")
    _arrives(sink, mark)
    until(lambda: not _queue(mx1), "an empty queue")


def test_mail_waits_while_the_api_is_not_there(handoff: str, mx1: Machine, sink: Sink) -> None:
    """The name resolves, and a firewall in between drops the connection."""
    drop = "iptables -{} DOCKER-USER -p tcp -m multiport --dports 443,2400 -j REJECT"
    mx1.run(drop.format("I"))
    try:
        mark = uuid.uuid4().hex
        _send(mx1, ALIAS, _message(mark))
        until(lambda: "delay_reason" in _queue(mx1), "deferred mail")
    finally:
        mx1.run(drop.format("D"))
    mx1.run("docker exec mailserver postqueue -f")
    _arrives(sink, mark)


def test_the_local_alias_is_no_address(handoff: str, mx1: Machine) -> None:
    for recipient in ("curl_email@mx1.lab.test", "nobody@mx1.lab.test", "root@localhost"):
        assert _refused(mx1, "a@internet.test", recipient) // 100 == 5


def test_the_envelope_is_handed_over(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    mark = uuid.uuid4().hex
    _deploy(ingress)
    _send(mx1, "sales+tag@in.lab.test", _message(mark), sender="")
    _arrives(sink, mark)
    (handoff,) = sink.of(mark.encode())
    assert handoff.recipient == handoff.headers["X-Original-Recipient"] == "sales+tag@in.lab.test"
    assert handoff.sender == handoff.headers["X-Sasl-Username"] == ""
    assert handoff.headers["X-Queue-Id"]


def test_stray_line_ends_are_made_harmless(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    """Against SMTP smuggling: a bare LF is a line end, a bare CR becomes a space."""
    mark = uuid.uuid4().hex
    _send(mx1, ALIAS, _message(mark, b"one\ntwo\rthree\r\n"))
    assert _arrives(sink, mark).endswith(b"\r\n\r\none\r\ntwo three\r\n")


def test_a_wrong_key_keeps_mail_in_the_queue(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    right, sink.psk = sink.psk, "another key"
    mark = uuid.uuid4().hex
    _send(mx1, ALIAS, _message(mark))
    until(lambda: "handoff answered 401" in _queue(mx1), "the reason in the queue")
    sink.psk = right
    mx1.run("docker exec mailserver postqueue -f")
    _arrives(sink, mark)


def test_nobody_sees_the_key(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    assert sink.psk not in mx1.run("docker inspect mailserver; cat /var/log/mailfleet.log")
    as_nobody = "docker exec -u nobody mailserver cat /etc/curl-email.conf"
    assert mx1.ask(as_nobody).code != 0
    assert mx1.ask("su -s /bin/sh nobody -c 'cat /opt/mailserver/config/handoff/*.conf'").code != 0


def _refused(mx1: Machine, sender: str, recipient: str) -> int:
    with smtplib.SMTP(mx1.address, 25, local_hostname="client.internet.test") as smtp:
        smtp.ehlo()
        code, _ = smtp.docmd(f"MAIL FROM:<{sender}>")
        if code != 250:
            return code
        code, _ = smtp.docmd(f"RCPT TO:{recipient if '<' in recipient else f'<{recipient}>'}")
        return code


def test_an_unknown_recipient_is_refused_at_once(ingress: Operator, mx1: Machine) -> None:
    assert _refused(mx1, "a@internet.test", "unknown@in.lab.test") == 550
    assert _refused(mx1, "a@internet.test", ALIAS) == 250


OPEN_RELAY = {
    "plain": ("a@internet.test", OUTSIDE),
    "null sender": ("", OUTSIDE),
    "own domain as sender": ("sales@in.lab.test", OUTSIDE),
    "account as sender": ("app@lab.test", OUTSIDE),
    "host as sender": ("postmaster@mx1.lab.test", OUTSIDE),
    "local user as sender": ("root@localhost", OUTSIDE),
    "address literal as sender": ("a@[127.0.0.1]", OUTSIDE),
    "unqualified sender": ("root", OUTSIDE),
    "percent hack": ("a@internet.test", "inbox%internet.test@in.lab.test"),
    "percent hack at the host": ("a@internet.test", "inbox%internet.test@mx1.lab.test"),
    "percent hack at a literal": ("a@internet.test", "inbox%internet.test@[127.0.0.1]"),
    "percent hack, unqualified": ("a@internet.test", "inbox%internet.test"),
    "bang path": ("a@internet.test", "internet.test!inbox@in.lab.test"),
    "bang path, unqualified": ("a@internet.test", "internet.test!inbox"),
    "bang path through the host": ("a@internet.test", "mx1.lab.test!internet.test!inbox"),
    "quoted address": ("a@internet.test", '"inbox@internet.test"'),
    "quoted local part": ("a@internet.test", '"inbox@internet.test"@in.lab.test'),
    "quoted local part at the host": ("a@internet.test", '"inbox@internet.test"@mx1.lab.test'),
    "quoted percent hack": ("a@internet.test", '"inbox%internet.test"@in.lab.test'),
    "two at signs": ("a@internet.test", "inbox@internet.test@in.lab.test"),
    "two at signs at the host": ("a@internet.test", "inbox@internet.test@mx1.lab.test"),
    "source route": ("a@internet.test", "<@in.lab.test:inbox@internet.test>"),
    "source route by the host": ("a@internet.test", "<@mx1.lab.test:inbox@internet.test>"),
    "source route by a literal": ("a@internet.test", "<@[127.0.0.1]:inbox@internet.test>"),
    "without brackets": ("a@internet.test", "inbox@internet.test"),
    "trailing dot": ("a@internet.test", "inbox@internet.test."),
    "address literal": ("a@internet.test", "inbox@[192.0.2.1]"),
}


@pytest.mark.parametrize("trick", OPEN_RELAY)
def test_nobody_relays_without_a_login(ingress: Operator, trick: str, mx1: Machine) -> None:
    sender, recipient = OPEN_RELAY[trick]
    assert _refused(mx1, sender, recipient) // 100 == 5


def _submission(mx1: Machine, port: int, user: str, password: str) -> smtplib.SMTP:
    # The lab's authority changes with each start of its ACME server; probes check the name.
    context = ssl._create_unverified_context()
    smtp: smtplib.SMTP
    if port == 465:
        smtp = smtplib.SMTP_SSL(mx1.address, port, context=context)
    else:
        smtp = smtplib.SMTP(mx1.address, port)
        smtp.starttls(context=context)
    smtp.login(user, password)
    return smtp


@pytest.mark.parametrize("port", [465, 587])
def test_users_send_by_submission_and_are_signed(
    ingress: Operator, port: int, mx1: Machine, internet1: Machine
) -> None:
    mark = uuid.uuid4().hex
    password = secret_values()["mailserver/app"]
    with _submission(mx1, port, "app@lab.test", password) as smtp:
        smtp.sendmail("app@lab.test", [OUTSIDE], b"From: app@lab.test\r\n" + _message(mark))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("other@lab.test", [OUTSIDE], _message(mark))
    assert "DKIM-Signature: v=1" in wait_for(internet1, mark)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        _submission(mx1, port, "app@lab.test", "wrong")


CHANGES = """
from mailfleet.secrets import generate, secret
settings["email_api_psk"] = secret("email_api/psk_of_a_test", generate.random_hex(32))
settings["mailserver_accounts"] = settings["mailserver_accounts"] | {
    "new@lab.test": secret("mailserver/new_of_a_test", generate.password(32))
}
settings["email_api_aliases"] = settings["email_api_aliases"] | {
    "new@in.lab.test": ["inbox@internet.test"]
}
"""


def test_changes_take_effect_with_mail_in_the_queue(
    ingress: Operator, mx1: Machine, sink: Sink, tmp_path: Path
) -> None:
    identity = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' mailserver"
    before = mx1.run(identity)
    sink.status = 503
    mark = uuid.uuid4().hex
    _send(mx1, ALIAS, _message(mark))
    until(lambda: "delay_reason" in _queue(mx1), "deferred mail")

    changed = ingress.variant(tmp_path, CHANGES)
    changed.run("mailfleet", "secrets", "init", changed.inventory).ok()
    _deploy(changed)
    try:
        secrets = secret_values()
        sink.status, sink.psk = 202, secrets["email_api/psk_of_a_test"]
        assert mx1.run(identity) == before
        assert _refused(mx1, "a@internet.test", "new@in.lab.test") == 250
        new = secrets["mailserver/new_of_a_test"]
        with _submission(mx1, 587, "new@lab.test", new) as smtp:
            assert smtp.noop()[0] == 250
        mx1.run("docker exec mailserver postqueue -f")
        _arrives(sink, mark)
    finally:
        _deploy(ingress)
    assert mx1.run(identity) == before
    assert _refused(mx1, "a@internet.test", "new@in.lab.test") == 550


def test_a_new_container_keeps_the_queue(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    sink.status = 503
    mark = uuid.uuid4().hex
    _send(mx1, ALIAS, _message(mark))
    until(lambda: "delay_reason" in _queue(mx1), "deferred mail")
    mx1.run("docker rm --force mailserver")
    sink.status = 202
    _deploy(ingress)
    mx1.run("docker exec mailserver postqueue -f")
    _arrives(sink, mark)


def test_a_new_certificate_is_served_without_a_restart(ingress: Operator, mx1: Machine) -> None:
    started = "docker inspect -f '{{.State.StartedAt}}' mailserver"
    before = mx1.run(started)
    tls = "/opt/mailserver/tls"
    mx1.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=new.test "
        f"-keyout {tls}/.key.pem -out {tls}/.certificate.pem 2>/dev/null && "
        f"mv {tls}/.key.pem {tls}/key.pem && mv {tls}/.certificate.pem {tls}/certificate.pem"
    )
    subject = (
        "openssl s_client -connect 127.0.0.1:{}{} </dev/null 2>/dev/null | "
        "openssl x509 -noout -subject"
    )

    def is_new(port: int, starttls: str) -> bool:
        return "new.test" in mx1.ask(subject.format(port, starttls)).output

    for port, starttls in ((25, " -starttls smtp"), (465, ""), (587, " -starttls smtp")):
        until(partial(is_new, port, starttls), f"the one on port {port}")
    _deploy(ingress)
    # The image looks every two seconds.
    until(lambda: "new.test" not in mx1.run(subject.format(465, "")), "Caddy's again")
    assert mx1.run(started) == before


def test_a_restart_keeps_the_handoff(ingress: Operator, mx1: Machine, sink: Sink) -> None:
    """The image runs user-patches.sh at creation only; what it made must outlive a restart."""
    mx1.run("docker restart mailserver")
    _deploy(ingress)
    mark = uuid.uuid4().hex
    _send(mx1, ALIAS, _message(mark))
    _arrives(sink, mark)


def test_a_missing_proof_of_the_patches_is_told_and_healed(
    ingress: Operator, mx1: Machine, tmp_path: Path
) -> None:
    """The exit status of user-patches.sh tells nobody, so its proof is looked for."""
    mx1.run("docker exec mailserver rm /etc/mailfleet-handoff")
    outcome = ingress.run("mailfleet", "health", ingress.inventory, "--role", "mailserver")
    assert outcome.code == 2
    assert "user-patches.sh" in outcome.screen
    _deploy(ingress.variant(tmp_path, 'settings["mailserver_handoff_seconds"] = 61'))
    _deploy(ingress)
    ingress.run("mailfleet", "health", ingress.inventory, "--role", "mailserver").ok()
