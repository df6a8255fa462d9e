"""Drift of the mailserver: effective Postfix parameters, and the certificate that it serves."""

from collections.abc import Iterator, Mapping

from mailfleet.agent import evaluate
from mailfleet.checks.drift_check import DriftCheck
from mailfleet.checks.served_certificates import served_certificates
from mailfleet.components.mailserver.bundle import NAME
from mailfleet.components.mailserver.configuration import POSTFIX_MAIN
from mailfleet.components.mailserver.settings import MailserverSettings
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host


def drift(fleet: Fleet, host: Host, bundles: Mapping[str, Bundle]) -> Iterator[DriftCheck]:
    """Drift checks of the mailserver."""
    for item in bundles[NAME].files:
        if item.path == POSTFIX_MAIN:
            yield DriftCheck(
                NAME,
                "Postfix parameters",
                ("docker exec mailserver postconf -n",),
                evaluate.postfix,
                item.content.decode().splitlines(),
                needs="mailserver/mailserver",
                secret=item.secret,
            )
    # On port 25 postscreen lets a client wait; Postfix has one certificate for all its ports.
    yield served_certificates(NAME, "mailserver", 465, "", [host[MailserverSettings].hostname])
