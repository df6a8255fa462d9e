"""Why a message did not arrive: what servers answer, what logs say, and what follows from it."""

import json
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.checks.sections import Section
from mailfleet.cli import main
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.diagnose.application import Failure, last_failure
from mailfleet.diagnose.evidence import (
    Attempt,
    Evidence,
    Line,
    Message,
    Way,
    lines_of,
    of_api,
    of_log,
    of_postal,
    of_postfix,
)
from mailfleet.diagnose.judge import diagnose
from mailfleet.diagnose.questions import _escaped, postal, questions
from mailfleet.diagnose.replies import RULES, codes, meaning_of
from mailfleet.diagnose.run import _together
from tests.unit.conftest import Write

CHECKS = Path(__file__).parents[2] / "mailfleet/dns/checks"


# As receivers word them: RFCs, Gmail, Outlook, Yahoo, Postfix, Exim, Postal.
REPLIES = {
    "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record "
    "setup": "reverse",
    "421 4.7.25 see the rules": "reverse",
    "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]": "reverse",
    "550 5.7.23 The message was rejected because of Sender Policy Framework violation": "spf",
    "421-4.7.27 Your email has been rate limited because SPF authentication didn't pass": "spf",
    "550 5.7.20 no": "dkim",
    "421-4.7.30 Your email has been rate limited because DKIM authentication didn't pass": "dkim",
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated. Authentication "
    "results: DKIM = did not pass SPF [a.test] with ip: [192.0.2.1] = did not pass": "dmarc",
    "550 5.7.509 Access denied, sending domain a.test does not pass DMARC verification": "dmarc",
    "550 5.7.515 Access denied, does not meet the required authentication level": "dmarc",
    "554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org": "blocklist",
    "550 5.7.606 Access denied, banned sending IP [192.0.2.1]": "blocklist",
    "554 Service unavailable; see http://www.barracudanetworks.com/reputation/?ip=192.0.2.1": (
        "blocklist"
    ),
    "550 5.7.1 Unfortunately, messages weren't sent. part of their network is on our block list "
    "(S3150)": "blocklist",
    "450 4.1.8 <a@b.test>: Sender address rejected: Domain not found": "address",
    "450 4.7.1 <a.test>: Helo command rejected: Host not found": "address",
    "530 From/Sender name is not valid": "dkim",
    "554 5.7.1 This message looks like spam": "dmarc",
}

CAUSES = {
    "550 5.1.1 <a@b.test>: Recipient address rejected: User unknown": "does not know",
    "550 No such mailbox": "does not know",
    "452 4.2.2 The email account that you tried to reach is over quota": "full",
    "450 4.2.1 Mailbox is busy, try again later": "busy",
    "450 4.2.0 <a@b.test>: Recipient address rejected: Greylisted, see http://a.test": "first",
    "451 4.7.1 Try again later": "first",
    "552 5.3.4 Message size exceeds fixed limit": "larger",
    "454 4.7.1 <a@b.test>: Relay access denied": "not the receiver's",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred": "limits",
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail": "limits",
    "connect to mx.b.test[192.0.2.1]:25: Connection timed out": "no server",
    "No SMTP servers were available for b.test": "no server",
    "530 5.7.0 Must issue a STARTTLS command first": "TLS only",
    "556 5.1.10 Recipient address has null MX": "domain of the recipient",
    "535 5.7.8 Authentication failed": "credential",
    # What Postal itself adds, and where the receiver's own name is told.
    "550 5.1.1 <a@b.test>: User unknown Permanent SMTP delivery error when sending to "
    "192.0.2.1:25 (d1.ess.barracudanetworks.com). Recipient added to suppression list (too many "
    "hard fails)": "does not know",
    "554 5.4.6 Too many hops 28 (25 max)": "goes round",
    "452 4.5.3 Too many recipients": "limits",
}


@pytest.mark.parametrize(("reply", "family"), REPLIES.items())
def test_a_refusal_names_the_dns_check_behind_it(reply: str, family: str) -> None:
    meaning = meaning_of(reply)
    assert meaning is not None
    assert meaning.dns == family


@pytest.mark.parametrize(("reply", "words"), CAUSES.items())
def test_a_refusal_names_its_cause(reply: str, words: str) -> None:
    meaning = meaning_of(reply)
    assert meaning is not None
    assert words in meaning.cause
    assert meaning.remedy


def test_what_nobody_can_explain_is_not_explained() -> None:
    assert meaning_of("") is None
    assert meaning_of("see the log") is None
    assert meaning_of("250 2.0.0 ok, 5 recipients, 450 kB") is not meaning_of("550 5.7.25 no")


def test_codes_are_found_wherever_they_stand() -> None:
    assert codes("550-5.7.26 no") == ("550", "5.7.26")
    assert codes("host mx.test said: 421 4.7.0 later") == ("421", "4.7.0")
    assert codes("status 5.1.1") == ("", "5.1.1")


def test_every_dns_check_that_a_rule_names_exists() -> None:
    source = "".join(file.read_text() for file in CHECKS.glob("*.py"))
    for family in {rule.meaning.dns for rule in RULES} - {""}:
        assert re.search(rf'"{family}["."]', source), family


@pytest.mark.parametrize(
    ("line", "failure"),
    [
        ("smtplib.SMTPAuthenticationError: (535, b'5.7.8 Authentication failed')", "535"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "connection refused"),
        ("SMTPServerDisconnected: timed out", "timeout"),
        ("SMTPServerDisconnected: Connection unexpectedly closed", "connection closed"),
        ("Error: connect ECONNREFUSED 192.0.2.1:2525", "connection refused"),
        ("ssl.SSLCertVerificationError: certificate verify failed: Hostname mismatch", "cert"),
        ("SMTPSenderRefused: (530, b'From/Sender name is not valid')", "refused by Postal"),
        ("mail sent to a@b.test in 535 ms", None),
        ("nothing of the kind", None),
    ],
)
def test_an_applications_log_is_understood(line: str, failure: str | None) -> None:
    found = last_failure([line])
    assert (found[0].value if found else None) == (
        Failure.CERTIFICATE.value if failure == "cert" else failure
    )


EMPTY = Evidence(to="a@b.test")
OPEN = Way("postal1", "192.0.2.1", 2525, "")
SENT = Message(
    "postal1", "Postal", "1/7", 100, "s@c.test", "Sent", (Attempt(110, "Sent", "250 2.0.0 ok"),)
)


def _log(*lines: str) -> tuple[Line, ...]:
    return tuple(Line("", "log", text) for text in lines)


def _with(reply: str, status: str, **changes: object) -> Evidence:
    message = replace(SENT, status=status, attempts=(Attempt(110, status, reply),), **changes)  # type: ignore[arg-type]
    return replace(EMPTY, messages=(message,))


WALKS = {
    "connection refused, the server is down": (
        replace(
            EMPTY,
            application=_log("Connection refused"),
            ways=(OPEN, replace(OPEN, error="refused")),
        ),
        "connection refused: Postal's SMTP server does not run",
    ),
    "connection refused, but the server is up": (
        replace(EMPTY, application=_log("Connection refused"), ways=(OPEN,)),
        "a host or port where nobody listens",
    ),
    "535": (
        replace(EMPTY, refused_logins=_log("Authentication failure for 192.0.2.9"), ways=(OPEN,)),
        "535:",
    ),
    "535 in the application's log": (
        replace(EMPTY, application=_log("(535, b'no')"), ways=(OPEN,)),
        "535:",
    ),
    "timeout, closed from here too": (
        replace(EMPTY, ways=(replace(OPEN, error="timeout"),)),
        "timeout: a firewall in front",
    ),
    "no route from here": (
        replace(EMPTY, ways=(replace(OPEN, error="No route to host", reached=False),)),
        "unreachable: a firewall in front",
    ),
    "timeout, since nobody listens behind the firewall": (
        replace(EMPTY, ways=(replace(OPEN, error="timeout", listening=False),)),
        "timeout: Postal's SMTP server does not run",
    ),
    "timeout, open from here": (
        replace(EMPTY, application=_log("timed out"), ways=(OPEN,)),
        "between the application and Postal",
    ),
    "sent somewhere else": (
        replace(EMPTY, redirects=_log("EMAIL_REDIRECT_TO=ops@c.test"), application=_log("535")),
        "all its mail to another address",
    ),
    "no trace": (replace(EMPTY, ways=(OPEN,)), "no trace"),
    "a container that does not reach its database": (
        replace(
            EMPTY,
            application=(Line("postal1", "web-1", "connect ECONNREFUSED 127.0.0.1:6379"),),
            ways=(OPEN,),
        ),
        "no trace",
    ),
    "a container that does not reach Postal": (
        replace(
            EMPTY,
            application=(Line("postal1", "web-1", "connect ECONNREFUSED 192.0.2.1:2525"),),
            ways=(OPEN,),
        ),
        "a host or port where nobody listens",
    ),
    "the domain is not verified": (
        replace(EMPTY, application=_log("(530, b'From/Sender name is not valid')"), ways=(OPEN,)),
        "not a verified domain",
    ),
    "refused by the receiver": (_with("550 5.7.25 no PTR", "HardFail"), "reverse DNS"),
    "deferred": (_with("450 4.2.1 Mailbox is busy", "SoftFail", queued=True), "busy"),
    "suppressed": (
        _with("Recipient (a@b.test) is on the suppression list (reason: x)", "Held"),
        "does not send to this recipient",
    ),
    "development mode": (_with("Server is in development mode.", "Held"), "development mode"),
    "held by hand": (_with("", "Held"), "Postal holds the message"),
    "bounced later": (_with("250 ok", "Bounced"), "bounce later"),
    "filtered": (replace(EMPTY, messages=(SENT,)), "the receiver took it"),
    "given to a smarthost": (
        replace(
            _with("250 OK Message for a@b.test accepted by 192.0.2.3:587 (smtp.c.test)", "Sent"),
            relays=("smtp.c.test",),
        ),
        "the relay smtp.c.test",
    ),
    "given to the receiver beside a smarthost": (
        replace(EMPTY, messages=(SENT,), relays=("smtp.c.test",)),
        "the receiver took it",
    ),
    "given up": (
        replace(
            EMPTY,
            messages=(
                replace(
                    SENT,
                    status="HardFail",
                    attempts=(
                        Attempt(110, "SoftFail", "450 4.7.25 no PTR"),
                        Attempt(
                            120,
                            "HardFail",
                            "Maximum number of delivery attempts (18) has been reached. Added "
                            "a@b.test to suppression list because delivery has failed 18 times.",
                        ),
                    ),
                ),
            ),
        ),
        "reverse DNS",
    ),
    "a worker died": (
        replace(
            EMPTY,
            messages=(
                replace(SENT, status="Pending", attempts=(), queued=True, locked_seconds=4000),
            ),
        ),
        "lock is stale",
    ),
    "no worker takes it": (
        replace(
            EMPTY,
            messages=(replace(SENT, status="Pending", attempts=(), queued=True, due_seconds=600),),
        ),
        "no worker takes it",
    ),
    "on its way": (
        replace(EMPTY, messages=(replace(SENT, status="Pending", attempts=(), queued=True),)),
        "on its way",
    ),
    "an answer that nobody knows": (_with("see the log", "HardFail"), "not known here"),
}


@pytest.mark.parametrize(("evidence", "words"), WALKS.values(), ids=WALKS.keys())
def test_the_walk_ends_at_the_cause(evidence: Evidence, words: str) -> None:
    found = diagnose(evidence)
    assert words in found.cause.cause
    assert found.cause.remedy
    assert found.cause.found == (words not in ("no trace", "on its way", "not known here"))


def test_a_hold_that_ended_is_told_with_its_reason() -> None:
    attempts = (
        Attempt(90, "Held", "Server is in development mode."),
        Attempt(99, "HoldCancelled", "The hold on this message has been removed without action."),
    )
    message = replace(SENT, status="HoldCancelled", attempts=attempts)
    cause = diagnose(replace(EMPTY, messages=(message,))).cause
    assert "will not send it" in cause.cause
    assert "held: Server is in development mode." in cause.evidence


def test_which_of_several_messages_it_speaks_of_is_told() -> None:
    found = diagnose(replace(EMPTY, messages=(replace(SENT, at=1767225600),)))
    assert found.steps[0].answer == "yes: Postal on postal1, message 1/7, 2026-01-01 00:00:00 UTC"


def test_a_host_that_is_off_is_no_witness() -> None:
    found = diagnose(replace(EMPTY, unanswered=("postal1: cannot log in",)))
    assert found.steps[0].answer == "not found on reachable hosts"
    assert found.cause.cause == "no trace of it, but some sources are unreachable"
    assert found.exit_code == 3
    assert found.unanswered == ("postal1: cannot log in",)


def test_a_message_that_got_there_outweighs_old_errors() -> None:
    evidence = replace(EMPTY, messages=(SENT,), application=_log("Connection refused"))
    assert "the receiver took it" in diagnose(evidence).cause.cause


def test_the_place_that_it_reached_last_decides() -> None:
    handed_over = replace(SENT, program="Postfix", attempts=(Attempt(120, "SoftFail", "450 x"),))
    found = diagnose(replace(EMPTY, messages=(handed_over, SENT)))
    assert "Postfix on postal1" in found.steps[0].answer


LATELY = replace(EMPTY, since=50.0)
FAILED = Line("postal1", "web-1", "smtp: Connection refused", at=200)
REDIRECTED = Line("postal1", "web-1", "EMAIL_REDIRECT_TO=ops@c.test", at=200)


def test_what_an_application_met_after_the_last_message_is_the_answer() -> None:
    for later, words in (
        ({"application": (FAILED,)}, "nobody listens"),
        ({"redirects": (REDIRECTED,)}, "all its mail to another address"),
    ):
        evidence = replace(LATELY, messages=(SENT,), ways=(OPEN,))
        found = diagnose(replace(evidence, **later))  # type: ignore[arg-type]
        assert words in found.cause.cause
        assert found.steps[0].answer == (
            "not since Postal on postal1, message 1/7, 1970-01-01 00:01:40 UTC: Sent"
        )
        assert "1970-01-01 00:03:20 UTC" in found.steps[1].answer
        sent_since = replace(SENT, at=300, attempts=(Attempt(310, "Sent", "250 ok"),))
        again = replace(evidence, messages=(SENT, sent_since), **later)  # type: ignore[arg-type]
        assert "the receiver took it" in diagnose(again).cause.cause
        by_id = replace(evidence, since=0.0, **later)  # type: ignore[arg-type]
        assert "the receiver took it" in diagnose(by_id).cause.cause


def test_of_several_applications_the_latest_failure_counts() -> None:
    mended = replace(FAILED, text="smtp: authentication failed", source="worker-1", at=150)
    answered = replace(EMPTY, application=(FAILED, mended))
    for log, words in (([], "nobody listens"), (["certificate has expired"], "does not trust")):
        evidence = _together("a@b.test", {"postal1": answered}, [OPEN], log)
        assert words in diagnose(evidence).cause.cause


def test_what_came_later_hides_no_message_that_was_held_up() -> None:
    """A container that fails all day may have nothing to do with it."""
    held = replace(
        SENT, status="Held", attempts=(Attempt(110, "Held", "Server is in development mode."),)
    )
    cause = diagnose(replace(LATELY, messages=(held,), ways=(OPEN,), application=(FAILED,))).cause
    assert "nobody listens" in cause.cause
    assert "development mode" in cause.evidence[-1]
    assert "set it to Live" in cause.remedy
    through = diagnose(replace(LATELY, messages=(SENT,), ways=(OPEN,), application=(FAILED,))).cause
    assert "spam folder" not in through.remedy


def test_strangers_who_try_passwords_later_are_no_cause() -> None:
    login = Line("postal1", "smtp", "Authentication failure for 192.0.2.9", at=200)
    found = diagnose(replace(LATELY, messages=(SENT,), refused_logins=(login,)))
    assert "the receiver took it" in found.cause.cause
    assert found.cause.evidence[-1] == (
        "later, 1970-01-01 00:03:20 UTC: postal1: smtp: Authentication failure for 192.0.2.9"
    )


def test_an_old_message_is_another_story() -> None:
    evidence = replace(EMPTY, since=110.0 + 86400, messages=(SENT,), ways=(OPEN,))
    found = diagnose(evidence)
    assert found.steps[0].answer == (
        "not in the last 72 h; 4 days ago by Postal on postal1, message 1/7, "
        "1970-01-01 00:01:40 UTC: Sent"
    )
    assert "no trace" in found.cause.cause
    assert "--message-id" in found.cause.remedy
    assert "535" in diagnose(replace(evidence, application=_log("(535, b'no')"))).cause.cause
    queued = replace(SENT, status="Pending", attempts=(), queued=True, locked_seconds=4000)
    assert "lock is stale" in diagnose(replace(evidence, messages=(queued,))).cause.cause


def test_times_of_logs_are_read() -> None:
    section = Section(0, "web-1|2026-01-01T00:00:00.123456789Z smtp: refused\nweb-1|no time")
    dated, undated = lines_of("postal1", section)
    assert (dated.text, undated.text, undated.at) == ("smtp: refused", "no time", 0)
    assert dated.at == datetime(2026, 1, 1, 0, 0, 0, 123456, UTC).timestamp()
    given = of_log(["[2026-01-01T01:00:00+01:00] failed", "2026-01-01 01:00:00 failed"])
    assert [line.at for line in given] == [datetime(2026, 1, 1, tzinfo=UTC).timestamp(), 0]
    (impossible,) = of_log(["0000-00-00T00:00:00Z smtp: refused"])
    assert (impossible.text, impossible.at) == ("0000-00-00T00:00:00Z smtp: refused", 0)


TAKEN = Message(
    "mx1", "e-mail API", "4ABC", 90, "", "Relayed", (Attempt(90, "Relayed", ""),), message_id="1@c"
)
HANDED_OVER = Message("mx1", "Postfix", "4ABC", 80, "", "Sent", (Attempt(95, "Sent", "ok"),))


def test_what_a_relay_took_the_receiver_need_not_have() -> None:
    evidence = replace(
        EMPTY, messages=(HANDED_OVER, TAKEN), api_relays={"mx1": "relay.example.net"}
    )
    found = diagnose(evidence)
    assert found.cause.cause.startswith("the e-mail API gave it to its relay relay.example.net,")
    assert "the receiver" not in found.cause.cause
    assert [step.question for step in found.steps][1] == "Was it sent on?"


def test_what_this_fleets_postal_took_is_followed_there() -> None:
    relay = {"api_relays": {"mx1": "mx.c.test"}, "postal_names": frozenset({"mx.c.test"})}
    evidence = replace(EMPTY, messages=(HANDED_OVER, TAKEN), **relay)  # type: ignore[arg-type]
    found = diagnose(evidence)
    assert "this fleet's Postal" in found.cause.cause
    assert not found.cause.found
    reached = replace(SENT, message_id="1@c", recipient="one@d.test")
    refused = Attempt(100, "HardFail", "550 5.7.25 no PTR")
    missed = replace(reached, status="HardFail", recipient="two@d.test", attempts=(refused,))
    another = replace(SENT, at=500, message_id="2@c", recipient="one@d.test")
    messages = (HANDED_OVER, TAKEN, reached, missed, another)
    found = diagnose(replace(evidence, messages=messages))
    assert "reverse DNS" in found.cause.cause
    assert "message 1/7 to two@d.test" in found.steps[2].answer


@pytest.mark.parametrize(
    ("relay", "asked"), [("postal.example.com", True), ("relay.example.net", False)]
)
def test_mailboxes_behind_an_alias_are_asked_about_where_postal_is_the_relay(
    fleet_from: Write, relay: str, asked: bool
) -> None:
    fleet = fleet_from(
        inventory='_host = ("postal1", {"host_fqdn": "postal1.example.com", '
        '"host_public_ipv4": "192.0.2.10"})\n'
        '_mx = ("mx1", {"host_fqdn": "mx1.example.com", "host_public_ipv4": "192.0.2.11"})\n'
        "postal = database = caddy = [_host]\nemail_api = [_mx]\n",
        email_api='email_api_aliases = {"a@in.example.com": ["me@example.org"]}\n'
        f'email_api_relay_host = "{relay}"\nemail_api_srs_domain = "example.com"\n',
    )
    shell = questions(fleet, fleet.hosts["postal1"], "A@in.example.com", None)["postal"]
    assert (b"me@example.org".hex() in shell) == asked


@pytest.mark.parametrize("nobody", [True, False])
def test_exit_code(nobody: bool) -> None:
    evidence = replace(EMPTY, nobody_answers=nobody)
    assert diagnose(evidence).exit_code == 3
    assert diagnose(replace(evidence, application=_log("(535, b'no')"))).exit_code == 0
    # It may be the network of this machine.
    away = replace(evidence, ways=(replace(OPEN, error="No route to host", reached=False),))
    assert diagnose(away).exit_code == (3 if nobody else 0)


def test_postals_rows_are_read() -> None:
    attempts = [{"at": 110.5, "status": "SoftFail", "output": "450\n x", "details": None}]
    row = {"server": 1, "id": 7, "at": 100, "sender": None, "status": "SoftFail", "queued": 1}
    row |= {"locked": None, "due": -300, "attempts": json.dumps(attempts)}
    row |= {"recipient": "A@b.test", "message_id": "1@c.test"}
    text = "\n".join(json.dumps(one) for one in (row, {"suppressed": "hard fail"}))
    text = f"WARNING: option --ssl-verify-server-cert is disabled\n{text}"
    messages, suppressed = of_postal("postal1", text, "a@b.test")
    assert suppressed == ["hard fail"]
    assert messages[0].attempts == (Attempt(110.5, "SoftFail", "450 x"),)
    assert (messages[0].queued, messages[0].due_seconds) == (True, 0)
    assert (messages[0].recipient, messages[0].message_id) == ("", "1@c.test")
    assert of_postal("postal1", text, "alias@in.b.test")[0][0].recipient == "A@b.test"


NOW = datetime(2026, 1, 2, tzinfo=UTC)
DEFERRED = (
    "Dec 31 23:00:00 mx1 postfix/smtp[12]: 4ABC: to=<a@b.test>, relay=none, delay=1, "
    "dsn=4.4.1, status=deferred (connect to mx.b.test[192.0.2.1]:25: Connection timed out)"
)
LATER = "2026-01-01T10:00:00.5+01:00 mx1 postfix/pipe[12]: 4ABC: to=<a@b.test>, status=sent (ok)"
REFUSED = (
    "Jan  1 10:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from x.test[192.0.2.1]: 550 5.1.1 "
    "<a@b.test>: Recipient address rejected: User unknown; from=<s@c.test> to=<a@b.test> proto=SMTP"
)


def test_postfix_log_is_read_whatever_its_format() -> None:
    refused, passed = of_postfix("mx1", [DEFERRED, LATER, REFUSED, "noise"], NOW)
    assert [one.status for one in passed.attempts] == ["SoftFail", "Sent"]
    assert passed.at == datetime(2025, 12, 31, 23, tzinfo=UTC).timestamp()
    assert passed.last_at == datetime(2026, 1, 1, 9, 0, 0, 500000, tzinfo=UTC).timestamp()
    assert (refused.sender, refused.status) == ("s@c.test", "HardFail")
    assert refused.attempts[0].reply.startswith("550 5.1.1")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        # smtpd, of a client with IPv6, and after another recipient was accepted
        (
            "postfix/smtpd[1]: 4ABC: reject: RCPT from x.test[2001:db8::1]: 554 5.7.1 Service "
            "unavailable; Client host [2001:db8::1] blocked using zen.spamhaus.org; "
            "https://a.test; from=<s@c.test> to=<a@b.test> proto=ESMTP helo=<x.test>",
            "554 5.7.1 Service unavailable; Client host [2001:db8::1] blocked using "
            "zen.spamhaus.org; https://a.test",
        ),
        # postscreen
        (
            "postfix/postscreen[1]: NOQUEUE: reject: RCPT from [192.0.2.1]:59424: 550 5.7.1 "
            "Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org; "
            "from=<s@c.test>, to=<a@b.test>, proto=ESMTP, helo=<x.test>",
            "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.spamhaus.org",
        ),
        # Rspamd
        (
            "postfix/sender-cleanup/cleanup[1]: 4ABC: milter-reject: END-OF-MESSAGE from "
            "x.test[192.0.2.1]: 5.7.1 Spam message rejected; from=<s@c.test> to=<a@b.test> "
            "proto=ESMTP helo=<x.test>",
            "5.7.1 Spam message rejected",
        ),
    ],
)
def test_whoever_of_postfix_refuses_a_message_is_heard(line: str, reply: str) -> None:
    (refused,) = of_postfix("mx1", [f"2026-01-01T10:00:00.5+00:00 mx1 {line}"], NOW)
    assert (refused.status, refused.sender) == ("HardFail", "s@c.test")
    assert refused.attempts[0].reply == reply


def test_the_apis_log_is_read() -> None:
    row = {"time": "2026-01-01T00:00:00+00:00", "event": "not accepted", "recipient": "a@b.test"}
    row |= {"reason": "relay", "detail": "450 4.2.1 busy", "queue_id": "4ABC"}
    (found,) = of_api("mx1", ["no json", json.dumps(row), '{"event": "started"}'])
    assert (found.status, found.attempts[0].reply) == ("SoftFail", "relay 450 4.2.1 busy")
    row |= {"event": "accepted", "message_id": "<1@c.test>"}
    (found,) = of_api("mx1", [json.dumps(row)])
    assert (found.status, found.message_id) == ("Relayed", "1@c.test")


def test_only_what_a_host_carries_is_asked(fleet_from: Write) -> None:
    fleet = fleet_from()
    asked = questions(fleet, fleet.hosts["postal1"], "a@b.test", None)
    assert set(asked) == {"redirects", "applications", "postal", "logins", "listening"}


def test_no_address_and_no_id_ends_its_quotes(fleet_from: Write) -> None:
    settings = fleet_from()[PostalSettings]
    for odd in ("o'brien@b.test", "a`b$c@d.test"):
        shell = postal(settings, [odd], "<'; DROP TABLE x; --@y>")
        assert odd not in shell
        assert "DROP" not in shell
        assert odd.encode().hex() in shell
    for odd in ("a^b+c.d@e.test", "a{1}|b@c.test"):
        found = subprocess.run(
            ["grep", "-E", "-e", _escaped(odd)],
            input=f"x {odd} y",
            text=True,
            capture_output=True,
            check=True,
        )
        assert found.stdout == f"x {odd} y\n", odd


def test_a_wrong_address_is_told_before_any_host_is_asked() -> None:
    result = CliRunner().invoke(main, ["diagnose", "inventories/none.py", "--to", "nobody"])
    assert result.exit_code == 1
    assert "name@example.com" in result.output


def test_a_closed_standard_input_holds_no_log(
    fleet_from: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet_from()
    # As Python has it where `<&-` closed it; click's runner would open it again.
    monkeypatch.setattr("sys.stdin", None)
    arguments = ["diagnose", "inventories/test.py", "--to", "a@example.com", "--log", "-"]
    with pytest.raises(SystemExit, match="1"):
        main(arguments)
