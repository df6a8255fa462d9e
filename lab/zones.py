"""What ns1 serves: zone files, and the configuration of Knot and Unbound, from the topology."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from lab.topology import ACME_NAME, DOMAIN, INTERNET, Topology, extra_address, extra_numbers

Record = tuple[str, str, str]

# Short, because tests change records and look again.
TTL = 60
# Its name on both sides; the secret is in .lab.
UPDATE_KEY = "mailfleet-lab"


def zones(fleet: Topology) -> dict[str, list[Record]]:
    """Zone -> records (owner, type, data), all names fully qualified."""
    addresses = {host.name: str(host.address) for host in fleet.hosts}
    postal, mail = f"postal.{DOMAIN}", f"mail.{DOMAIN}"
    postal1, mx1 = addresses["postal1"], addresses["mx1"]
    own: list[Record] = [
        (host.fqdn, "A", str(host.address)) for host in fleet.hosts if host.fqdn.endswith(DOMAIN)
    ]
    own += [
        (f"resolver.{DOMAIN}", "A", str(fleet.resolver)),
        (f"ntp.{DOMAIN}", "A", str(fleet.authority)),
        (DOMAIN, "MX", f"10 {mail}."),
        (DOMAIN, "TXT", f'"v=spf1 mx include:spf.{postal} -all"'),
        (f"_dmarc.{DOMAIN}", "TXT", '"v=DMARC1; p=none"'),
        (mail, "A", mx1),
        (f"in.{DOMAIN}", "MX", f"10 mx1.{DOMAIN}."),
        # Rewritten senders of what the e-mail API forwards.
        (f"in.{DOMAIN}", "TXT", f'"v=spf1 a:mx1.{DOMAIN} -all"'),
        (f"mx1.{DOMAIN}", "TXT", '"v=spf1 a -all"'),
        # Postal manual, "DNS configuration".
        (postal, "A", postal1),
        (f"mx.{postal}", "A", postal1),
        (f"track.{postal}", "A", postal1),
        (f"track.{DOMAIN}", "CNAME", f"track.{postal}."),
        (f"click.{DOMAIN}", "CNAME", f"track.{postal}."),
        (f"spf.{postal}", "TXT", f'"v=spf1 ip4:{postal1} ~all"'),
        (f"rp.{postal}", "A", postal1),
        (f"rp.{postal}", "MX", f"10 mx.{postal}."),
        (f"rp.{postal}", "TXT", f'"v=spf1 a mx include:spf.{postal} ~all"'),
        (f"psrp.{DOMAIN}", "CNAME", f"rp.{postal}."),
        (f"routes.{postal}", "MX", f"10 mx.{postal}."),
        # What receivers check on mail without an envelope sender (RFC 7208 section 2.4).
        (f"postal1.{DOMAIN}", "TXT", '"v=spf1 a -all"'),
    ]
    reverse: list[Record] = [
        (pointer(host.address), "PTR", f"{host.fqdn}.") for host in fleet.hosts
    ]
    reverse.append((pointer(fleet.resolver), "PTR", f"resolver.{DOMAIN}."))
    present = {host.name for host in fleet.hosts}
    for number in extra_numbers():
        address = extra_address(fleet.subnet, number)
        own.append((f"postal-{number}.{DOMAIN}", "A", str(address)))
        if f"postal{number}" not in present:
            own.append((f"postal{number}.{DOMAIN}", "A", str(address)))
            reverse.append((pointer(address), "PTR", f"postal{number}.{DOMAIN}."))
    internet1 = addresses["internet1"]
    outside: list[Record] = [
        (INTERNET, "A", internet1),
        (INTERNET, "MX", f"10 mx.{INTERNET}."),
        (INTERNET, "TXT", '"v=spf1 mx -all"'),
        (f"mx.{INTERNET}", "A", internet1),
        (ACME_NAME, "A", internet1),
    ]
    return {DOMAIN: own, INTERNET: outside, reverse_zone(fleet.subnet): reverse}


def pointer(address: IPv4Address) -> str:
    return address.reverse_pointer


def reverse_zone(subnet: IPv4Network) -> str:
    return subnet.network_address.reverse_pointer.split(".", 1)[1]


def zone_file(zone: str, records: Iterable[Record]) -> str:
    """RFC 1035 master file; sorted, so that equal topologies give equal bytes."""
    lines = [
        f"$ORIGIN {zone}.",
        f"$TTL {TTL}",
        f"@ IN SOA ns1.{DOMAIN}. hostmaster.{DOMAIN}. 1 3600 600 86400 {TTL}",
        f"@ IN NS ns1.{DOMAIN}.",
    ]
    lines += [f"{owner}. IN {kind} {data}" for owner, kind, data in sorted(records)]
    return "\n".join(lines) + "\n"


def zone_files(fleet: Topology) -> dict[str, str]:
    return {zone: zone_file(zone, records) for zone, records in zones(fleet).items()}


def knot_conf(fleet: Topology, key: str) -> str:
    """Zones take updates signed with the key (RFC 2136, RFC 8945). They stay in memory and the
    journal: reading a zone file again brings back what it says."""
    lines = ["server:", f"    listen: {fleet.authority}@53", "    rundir: /run/knot"]
    lines += ["log:", "  - target: syslog", "    any: info"]
    lines += ["database:", "    storage: /var/lib/knot"]
    lines += ["key:", f"  - id: {UPDATE_KEY}", "    algorithm: hmac-sha256", f"    secret: {key}"]
    lines += ["acl:", "  - id: update", f"    key: {UPDATE_KEY}", "    action: update"]
    lines += ["template:", "  - id: default", "    storage: /etc/knot/zones", "    acl: update"]
    lines += ["    zonefile-sync: -1", "    zonefile-load: difference-no-serial"]
    lines += ["    journal-content: all", "zone:"]
    lines += [f"  - domain: {zone}" for zone in zones(fleet)]
    return "\n".join(lines) + "\n"


def unbound_conf(fleet: Topology) -> str:
    lines = [
        "server:",
        f"    interface: {fleet.resolver}",
        f"    access-control: {fleet.subnet} allow",
        # `.test` and private reverse zones are answered NXDOMAIN by default (RFC 6761, 6303).
        '    local-zone: "test." nodefault',
        "    unblock-lan-zones: yes",
        # Nobody signs the lab's zones, and what is outside passes through Docker's resolver.
        '    module-config: "iterator"',
        "    do-not-query-localhost: no",
        "    do-ip6: no",
    ]
    for zone in zones(fleet):
        lines += [
            "stub-zone:",
            f"    name: {zone}",
            f"    stub-addr: {fleet.authority}",
            # A changed record is seen at once.
            "    stub-no-cache: yes",
        ]
    # Docker's embedded resolver knows what this machine uses.
    lines += ["forward-zone:", '    name: "."', "    forward-addr: 127.0.0.11"]
    return "\n".join(lines) + "\n"
