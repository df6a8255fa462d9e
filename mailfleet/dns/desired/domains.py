"""Records of the domains in the settings of `dns`: unused domains, MTA-STS, BIMI, DKIM keys."""

from collections.abc import Iterable, Iterator

from mailfleet.dns.desired.hosts import address_records
from mailfleet.dns.desired.keys import key_record
from mailfleet.dns.record import Record, RecordType, Severity
from mailfleet.dns.settings import DkimKey, DnsSettings
from mailfleet.dns.sts import StsPolicy
from mailfleet.fleet.fleet import Fleet
from mailfleet.fleet.mx import mx_hosts


def unused_domain_records(fleet: Fleet) -> Iterator[Record]:
    """What says that a domain neither sends nor receives mail."""
    for domain in fleet[DnsSettings].unused_domains:
        records: tuple[tuple[str, RecordType, str, str, str, str], ...] = (
            (
                domain,
                "MX",
                "0 .",
                "this domain takes no mail",
                "Senders try for days before they tell that mail to this domain goes nowhere.",
                "RFC 7505 section 3",
            ),
            (
                domain,
                "TXT",
                "v=spf1 -all",
                "this domain sends no mail",
                "Others can send in this domain's name.",
                "RFC 7208 section 10.1.2; M3AAWG, Protecting Parked Domains",
            ),
            (
                f"_dmarc.{domain}",
                "TXT",
                fleet[DnsSettings].dmarc.get(domain, "v=DMARC1; p=reject"),
                "mail in this domain's name is forged, below it too",
                "Others can send in this domain's name.",
                "RFC 9989; M3AAWG, Protecting Parked Domains",
            ),
        )
        for name, kind, value, why, otherwise, source in records:
            yield Record(name, kind, (value,), why, otherwise, Severity.RECOMMENDED, source)


def rotated_key_records(fleet: Fleet, records: Iterable[Record]) -> Iterator[Record]:
    """Keys of `dns_dkim_keys`, except those that something signs with already. Raises
    SettingsError."""
    signing = {record.name for record in records}
    for key in fleet[DnsSettings].dkim_keys:
        name = f"{key.selector}._domainkey.{key.domain}"
        if name not in signing:
            yield Record(
                name,
                "TXT",
                (_key_text(fleet, key),),
                {
                    "next": "receivers must know a key before something signs with it",
                    "old": "mail that was signed with it is still under way",
                    "revoked": "says that nothing is signed with this key any more",
                }[key.stage],
                "Signatures with this key cannot be verified, and such mail ends in spam.",
                Severity.RECOMMENDED,
                "RFC 6376 section 3.6.1",
            )


def _key_text(fleet: Fleet, key: DkimKey) -> str:
    if key.stage == "revoked" or key.key is None:
        return "v=DKIM1; p="
    return key_record(fleet, key.key)


def sts_policy(fleet: Fleet, domain: str) -> StsPolicy:
    """The MTA-STS policy of a domain of `dns_mta_sts`: its MX hosts are those wanted."""
    settings = fleet[DnsSettings].mta_sts[domain]
    hosts = (*mx_hosts(fleet, domain), *settings.more_mx)
    return StsPolicy(settings.mode, settings.max_age, hosts)


_STS_EFFECT = "Someone on the way can read and divert mail to this domain."


def sts_records(fleet: Fleet) -> Iterator[Record]:
    """What announces the policies of `dns_mta_sts`. Reports tell when TLS fails."""
    for domain, settings in fleet[DnsSettings].mta_sts.items():
        policy = sts_policy(fleet, domain)
        values: list[tuple[str, RecordType, str, str]] = [
            (f"_mta-sts.{domain}", "TXT", f"v=STSv1; id={policy.id}", "RFC 8461 section 3.1")
        ]
        if settings.host:
            values.append((f"mta-sts.{domain}", "CNAME", settings.host, "RFC 8461 section 3.3"))
        if settings.reports:
            text = f"v=TLSRPTv1; rua=mailto:{settings.reports}"
            values.append((f"_smtp._tls.{domain}", "TXT", text, "RFC 8460 section 3"))
        for name, kind, value, source in values:
            yield Record(
                name,
                kind,
                (value,),
                "senders deliver to this domain by verified TLS only",
                _STS_EFFECT,
                Severity.RECOMMENDED,
                source,
            )
        if settings.served_by:
            yield from address_records(
                fleet,
                f"mta-sts.{domain}",
                [fleet.hosts[settings.served_by]],
                why="senders fetch the MTA-STS policy here",
                otherwise=_STS_EFFECT,
                severity=Severity.RECOMMENDED,
                source="RFC 8461 section 3.3",
            )


def bimi_records(fleet: Fleet) -> Iterator[Record]:
    """Where the logos of `dns_bimi` are."""
    for domain, text in fleet[DnsSettings].bimi.items():
        yield Record(
            f"default._bimi.{domain}",
            "TXT",
            (text,),
            "a logo beside this domain's mail",
            "Mail arrives, but without the logo.",
            Severity.RECOMMENDED,
            "draft-brand-indicators-for-message-identification section 4",
        )
