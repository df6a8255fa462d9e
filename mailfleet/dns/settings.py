"""Settings of `dns`: who serves the fleet's zones, and how records get there."""

from ipaddress import ip_address
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from mailfleet.fleet.model import ComponentSettings, Item
from mailfleet.fleet.types import EmailAddress, HostName, Port, Text
from mailfleet.secrets import SecretRef, secret


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("not an IP address: write it as 192.0.2.53 or 2001:db8::53") from None


def _server(value: str) -> str:
    host, port = value, "53"
    if value.startswith("["):
        host, _, rest = value[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif value.count(":") == 1:
        host, port = value.split(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{port} is not a port")
    _address(host)
    return value


class Rfc2136(Item):
    """A primary server that takes dynamic updates (RFC 2136) signed with TSIG (RFC 8945): Knot,
    BIND, PowerDNS."""

    server: Annotated[str, AfterValidator(_address)]
    key_name: Text
    port: Port = 53
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    secret: SecretRef = secret("dns/tsig")
    """The key in base64, as tsig-keygen and keymgr print it."""


class HetznerDns(Item):
    """Zones and addresses of a Hetzner Cloud project."""

    token: SecretRef = secret("dns/hetzner_token")
    """With the right to write."""


class CloudflareDns(Item):
    """Zones at Cloudflare."""

    token: SecretRef = secret("dns/cloudflare_token")
    """With the right Zone > DNS > Edit for these zones."""


class LightsailDns(Item):
    """Zones at Amazon Lightsail. Credentials are found as every AWS tool finds them."""

    profile: Text | None = None


Provider = Rfc2136 | HetznerDns | CloudflareDns | LightsailDns


Label = Annotated[str, Field(pattern=r"^[a-z0-9_]([a-z0-9_.-]{0,61}[a-z0-9])?$")]


class Sender(Item):
    """Another service that sends mail of a domain: Postmark, Amazon SES, Google, a newsletter."""

    domain: HostName
    include: Annotated[str, Field(pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$")] | None = None
    """What its manual says to include in SPF, such as spf.mtasv.net."""
    dkim: dict[Label, Text] = Field(default={})
    """Selector -> the key record that it shows (with p=), or the name to make it a CNAME of."""
    aliases: dict[Label, HostName] = Field(default={})
    """Name below the domain -> target of a CNAME, such as {"pm-bounces": "pm.mtasv.net"}."""
    stage: Literal["joining", "leaving"] | None = None
    """While mail moves from one service to another; `mailfleet dns rotate` prints the next step."""


class DkimKey(Item):
    """A DKIM key that is published beside the one that signs, while keys are rotated."""

    domain: HostName
    selector: Label
    stage: Literal["next", "old", "revoked"]
    key: SecretRef | None = None
    """Its private key; a revoked one needs none."""

    @model_validator(mode="after")
    def _key_unless_revoked(self) -> "DkimKey":
        if self.key is None and self.stage != "revoked":
            raise ValueError(f'a key of stage "{self.stage}" needs key=secret(...)')
        return self


class MtaSts(Item):
    """The MTA-STS policy of a domain that takes mail (RFC 8461)."""

    mode: Literal["testing", "enforce", "none"] = "testing"
    max_age: Annotated[int, Field(ge=86400, le=31557600)] = 604800
    """Seconds for which senders cache it."""
    more_mx: list[HostName] = Field(default=[])
    """MX hosts besides those of the fleet."""
    served_by: Text | None = None
    """Host of the inventory whose Caddy serves the policy as mta-sts.DOMAIN."""
    host: HostName | None = None
    """Makes mta-sts.DOMAIN a CNAME of this name, whose own web server has the policy."""
    reports: EmailAddress | None = None
    """Gets TLS reports (RFC 8460)."""

    @model_validator(mode="after")
    def _one_web_server(self) -> "MtaSts":
        if self.served_by and self.host:
            raise ValueError(
                "give served_by (a Caddy of the fleet) or host (another web server), not both"
            )
        return self


class DnsSettings(ComponentSettings):
    """Zones that `mailfleet dns publish` may write to. Set it once, for all hosts."""

    prefix: ClassVar[str] = "dns_"
    fleet_wide: ClassVar[bool] = True

    zones: dict[HostName, Provider] = Field(
        default={},
        description='Zone -> its provider: `Rfc2136(server="192.0.2.53", key_name="mailfleet")`, '
        "`HetznerDns()`, `CloudflareDns()` or `LightsailDns()`, imported from "
        "mailfleet.dns.settings. Can include reverse zones that you serve.",
    )
    senders: list[Sender] = Field(
        default=[],
        description="Other services that send mail of your domains, each as "
        '`Sender(domain="example.com", include="spf.mtasv.net", dkim={...}, aliases={...})`. All '
        "senders of a domain share its one SPF record.",
    )
    dkim_keys: list[DkimKey] = Field(
        default=[],
        description="DKIM keys beside the one that signs, while keys are rotated, each as "
        '`DkimKey(domain="example.com", selector="mail2", stage="next", key=secret("dkim/mail2", '
        'generate.rsa_key(2048)))`; see "Rotate DKIM keys".',
    )
    dmarc: dict[HostName, Annotated[str, Field(pattern=r"^v=DMARC1\s*;\s*p=\S")]] = Field(
        default={},
        description="Domain -> its DMARC policy, such as `v=DMARC1; p=reject; "
        "rua=mailto:dmarc@example.com`. Default: `v=DMARC1; p=none`, a setting to start with.",
    )
    unused_domains: list[HostName] = Field(
        default=[],
        description="Domains of yours that neither send nor receive mail. A null MX, the SPF "
        "policy `v=spf1 -all` and the DMARC policy `p=reject` keep others from using them.",
    )
    mta_sts: dict[HostName, MtaSts] = Field(
        default={},
        description='Domain -> its MTA-STS policy, such as `MtaSts(mode="enforce", '
        'served_by="mx1", reports="tls@example.com")`: the Caddy of the host mx1 serves it. With '
        '`host="www.example.com"` another web server does; `mailfleet dns mta-sts` prints '
        "the file for it.",
    )
    dane: list[HostName] = Field(
        default=[],
        description="Mail servers of the fleet in zones signed with DNSSEC, by the name in MX "
        "records: their TLSA record names the given certificate (mailserver_tls or "
        'postal_smtp_tls = "given"). Certificates from ACME have a new key each time.',
    )
    submission_domains: list[HostName] = Field(
        default=[],
        description="Domains whose mail programs find the mailserver's submission ports by SRV "
        "records, which also state that there is no IMAP and POP3. Not for domains with mailboxes "
        "at another service.",
    )
    bimi: dict[HostName, Annotated[str, Field(pattern=r"^v=BIMI1\s*;.*l=https://\S")]] = Field(
        default={},
        description="Domain -> its BIMI record, such as "
        "`v=BIMI1; l=https://example.com/logo.svg; a=https://example.com/logo.pem`.",
    )
    reverse: HetznerDns | None = Field(
        default=None,
        description="Provider that sets the PTR records of its addresses: `HetznerDns()`. Amazon "
        "sets them on request by a form.",
    )
    report: bool = Field(
        default=True,
        description="Deploys of the whole inventory end with a short DNS check, which takes at "
        "most 5 seconds and never fails the deploy.",
    )
    resolvers: list[Annotated[str, AfterValidator(_server)]] = Field(
        default=[],
        description="Servers that checks query, as 192.0.2.53, 192.0.2.53:5353 or "
        "[2001:db8::53]:5353. Default: those of the control machine.",
    )
    blocklists: list[HostName] = Field(
        default=[],
        description="DNS blocklists that are queried for each sending address, such as "
        "zen.spamhaus.org, bl.spamcop.net, psbl.surriel.com. Mind their terms of use; most do not "
        "answer public resolvers.",
    )
    owner: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")] = Field(
        default="mailfleet",
        description="Name of this fleet in zones: the TXT record `_<owner>.<zone>` lists the "
        "records that it manages. Fleets that share a zone need different names.",
    )
    ttl: Annotated[int, Field(ge=60, le=86400)] = Field(
        default=3600, description="TTL (seconds) of published records."
    )
