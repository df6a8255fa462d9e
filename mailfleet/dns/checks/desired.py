"""The desired records, queried like DNS."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailfleet.dns.record import Record
from mailfleet.dns.resolve.answer import Answer, Question, Status, run
from mailfleet.dns.spf import Verdict, evaluate
from mailfleet.dns.zone import address_of


@dataclass(frozen=True)
class Sender:
    """An address that sends mail, and the name it gives in HELO."""

    address: IPv4Address | IPv6Address
    helo: str


def sender_of(record: Record) -> Sender:
    """Whom a PTR record is wanted for."""
    return Sender(ip_address(address_of(record.name)), record.values[0])


class DesiredRecords:
    """Desired records, to be asked like DNS."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._values: dict[tuple[str, str], tuple[str, ...]] = {
            (record.name, record.type): record.values for record in records
        }
        self.senders = [sender_of(record) for record in records if record.type == "PTR"]
        self._return_paths = self._by_parent()
        self._aliases: dict[tuple[str, str], list[str]] = {}
        self._keys: dict[str, list[str]] = {}
        for (name, kind), values in self._values.items():
            if kind == "CNAME":
                self._aliases.setdefault((name.partition(".")[2], values[0]), []).append(name)
            if kind == "TXT" and "._domainkey." in name:
                self._keys.setdefault(name.partition("._domainkey.")[2], []).append(name)

    def lookup(self, question: Question) -> Answer:
        values = self._values.get((question.name, question.type), ())
        return Answer(question, Status.OK if values else Status.NODATA, values)

    def senders_of(self, domain: str) -> list[Sender]:
        """Those whom the desired SPF policy of a domain lets send."""
        return [sender for sender in self.senders if self._passes(sender, domain)]

    def _passes(self, sender: Sender, domain: str) -> bool:
        check = evaluate(sender.address, f"postmaster@{domain}", sender.helo)
        return run(check, self.lookup).verdict is Verdict.PASS

    def return_paths(self, domain: str) -> list[str]:
        """Names below a domain that stand for a domain which takes bounces: envelope senders."""
        return self._return_paths.get(domain, [])

    def aliases_of(self, domain: str, target: str) -> list[str]:
        """Names directly below a domain that are CNAMEs of a target."""
        return self._aliases.get((domain, target), [])

    def selectors_of(self, domain: str, ending: str) -> list[str]:
        """Names of DKIM keys of a domain whose selector ends so."""
        keys = self._keys.get(domain, [])
        return [name for name in keys if name.endswith(f"{ending}._domainkey.{domain}")]

    def _by_parent(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for (name, kind), values in self._values.items():
            if kind == "CNAME" and (values[0], "MX") in self._values:
                labels = name.split(".")
                for at in range(1, len(labels)):
                    names.setdefault(".".join(labels[at:]), []).append(name)
        return names
