"""Mail that does not arrive, for each of the reasons that operators meet; the diagnosis names the
reason with its evidence, and nothing else."""

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import Machine, until
from tests.lab.mail import MailServer, provision, wait_for

_SMTP = "$(docker ps -aq -f label=com.docker.compose.service=smtp)"
_BLOCK = (
    "nft 'add table inet blocked; add chain inet blocked in "
    "{ type filter hook prerouting priority -300; }; "
    "add rule inet blocked in tcp dport { 25, 2525 } drop'"
)


@pytest.fixture(scope="module")
def server(lab: Lab, deployed: Operator, postal1: Machine) -> MailServer:
    return provision(lab, postal1)


def _why(operator: Operator, lab: Lab, to: str, *options: str) -> Outcome:
    return operator.run_json(
        "mailfleet", "diagnose", operator.inventory, "--to", to, "--json",
        "--server", lab.resolver, *options,
    )  # fmt: skip


def _known(operator: Operator, lab: Lab, to: str) -> Outcome:
    """What is told once the log has something to tell."""

    def look() -> Outcome | None:
        outcome = _why(operator, lab, to)
        return outcome if outcome.code == 0 else None

    return until(look, f"what became of the message to {to} is known")


def _cause(outcome: Outcome) -> str:
    assert outcome.code == 0, str(outcome)
    cause = str(outcome.data["cause"]["cause"])
    assert outcome.data["cause"]["remedy"]
    return cause


@contextmanager
def _undone(machine: Machine, command: str, undo: str) -> Iterator[None]:
    machine.run(command)
    try:
        yield
    finally:
        machine.run(undo)


def _error(call: type[Exception], server: MailServer, key: str) -> str:
    """What an application would log."""
    with pytest.raises(call) as caught, server.session() as session:
        session.login("lab-tests/lab-tests", key)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_connection_refused(
    lab: Lab, server: MailServer, deployed: Operator, postal1: Machine, tmp_path: Path
) -> None:
    healthy = f"until docker inspect --format '{{{{.State.Health.Status}}}}' {_SMTP}"
    undo = f"docker start {_SMTP}; {healthy} | grep -q ^healthy; do sleep 0.5; done"
    with _undone(postal1, f"docker stop {_SMTP}", undo):
        log = tmp_path / "application.log"
        log.write_text(_error(ConnectionRefusedError, server, server.key) + "\n")
        outcome = _why(deployed, lab, "refused-way@internet.test", "--log", str(log))
    assert _cause(outcome).startswith("connection refused: Postal's SMTP server does not run")
    evidence = " ".join(outcome.data["cause"]["evidence"])
    assert "ConnectionRefusedError" in evidence
    assert "port 2525 from here: refused" in evidence


def test_535(lab: Lab, server: MailServer, deployed: Operator) -> None:
    _error(smtplib.SMTPAuthenticationError, server, "not-the-key")
    outcome = _why(deployed, lab, "wrong-key@internet.test")
    assert _cause(outcome).startswith("535: Postal refused a login lately")
    assert "Authentication failure" in " ".join(outcome.data["cause"]["evidence"])


def test_the_probes_of_health_are_no_refused_logins(
    lab: Lab, server: MailServer, deployed: Operator
) -> None:
    """They want to send without a login, which Postal's log calls a failure of authentication."""
    before = _why(deployed, lab, "never-sent@internet.test").data["cause"]
    deployed.run("mailfleet", "health", deployed.inventory, "--role", "postal")
    assert _why(deployed, lab, "never-sent@internet.test").data["cause"] == before


def test_timeout(lab: Lab, server: MailServer, deployed: Operator, postal1: Machine) -> None:
    address = lab.hosts["postal1"].address
    with _undone(postal1, _BLOCK, "nft delete table inet blocked"):
        with pytest.raises(TimeoutError):
            socket.create_connection((address, 2525), timeout=1)
        outcome = _why(deployed, lab, "dropped@internet.test")
    assert _cause(outcome).startswith("timeout: a firewall in front of Postal")


def test_refused_for_good_and_then_suppressed(
    lab: Lab, server: MailServer, deployed: Operator
) -> None:
    """Postal puts a recipient on its list with the second refusal, and holds what comes after."""

    def told(words: str) -> Outcome:
        def look() -> Outcome | None:
            outcome = _why(deployed, lab, "refused@internet.test")
            return outcome if words in str(outcome.data["cause"]["evidence"]) else None

        return until(look, words)

    server.send("refused@internet.test")
    assert "does not know the recipient" in _cause(told("550 5.1.1"))
    server.send("refused@internet.test")
    told("now on the suppression list")
    server.send("refused@internet.test")
    assert "does not send to this recipient" in _cause(told("suppressed: "))


def test_a_receiver_that_wants_reverse_dns(
    lab: Lab, server: MailServer, deployed: Operator, internet1: Machine
) -> None:
    """In Gmail's words; the check of DNS behind it is asked too."""
    answers = "/etc/postfix/answers"
    line = "noptr@internet.test 450 4.7.25 The IP address sending this does not have a PTR record"
    change = f"cp -p {answers} /root/; echo '{line}' >>{answers}; postfix reload"
    with _undone(internet1, change, f"mv /root/answers {answers}; postfix reload"):
        server.send("noptr@internet.test")
        outcome = _known(deployed, lab, "noptr@internet.test")
    assert "PTR record of the sending address" in _cause(outcome)
    assert outcome.data["cause"]["dns"] == "reverse"
    # The lab's own reverse DNS is right.
    assert outcome.data["dns"] == []


def test_delivered_means_look_in_the_spam_folder(
    lab: Lab, server: MailServer, deployed: Operator, internet1: Machine
) -> None:
    wait_for(internet1, server.send("someone@internet.test"))
    outcome = _known(deployed, lab, "someone@internet.test")
    assert "the receiver took it" in _cause(outcome)
    assert outcome.data["cause"]["dns"] == "dmarc"
