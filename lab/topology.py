"""Which hosts the lab has, their addresses, names and published ports."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

DOMAIN = "lab.test"
INTERNET = "internet.test"
# Names of all extra hosts are always in DNS, so that adding one never touches ns1.
MAX_EXTRA = 60
FIRST_EXTRA = 3

ACME_NAME = f"acme.{INTERNET}"
ACME_PORT = 14000
ACME_MANAGEMENT_PORT = 15000
REGISTRY_PORT = 5000


@dataclass(frozen=True)
class Host:
    name: str
    fqdn: str
    address: IPv4Address
    image: str = "host"
    ssh_user: str = "root"
    ports: tuple[int, ...] = (22,)
    # Directories on volumes of their own: path -> whether `down --keep-images` keeps it.
    volumes: dict[str, bool] = field(default_factory=dict)
    # Further addresses on the same interface.
    more_addresses: tuple[IPv4Address, ...] = ()
    # Names in the host's TLS certificate, if it gets one.
    tls_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topology:
    subnet: IPv4Network
    hosts: tuple[Host, ...]
    # Authoritative server and resolver answer on two addresses of ns1: an authoritative answer
    # looks different from a resolver's, and the DNS checks must be able to tell.
    authority: IPv4Address
    resolver: IPv4Address

    def host(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)


def topology(subnet: IPv4Network, extra: int = 0, with_registry: bool = True) -> Topology:
    """The fleet in `subnet`, with `extra` more hosts for benchmarks."""
    authority, resolver = subnet[2], subnet[3]
    # Overlay file systems do not stack: the engine inside needs a real one.
    engine = {"/var/lib/docker": False}
    hosts = [
        Host(
            "ns1",
            f"ns1.{DOMAIN}",
            authority,
            image="ns1",
            more_addresses=(resolver,),
        ),
        Host(
            "internet1",
            f"mx.{INTERNET}",
            subnet[5],
            image="internet1",
            ports=(22, 25, 993, ACME_PORT, ACME_MANAGEMENT_PORT),
            tls_names=(ACME_NAME, f"mx.{INTERNET}", "127.0.0.1"),
        ),
        Host("postal1", f"postal1.{DOMAIN}", subnet[11], ports=(22, 25, 80, 443), volumes=engine),
        Host(
            "mx1",
            f"mx1.{DOMAIN}",
            subnet[12],
            image="lightsail",
            ssh_user="admin",
            ports=(22, 25, 443, 465, 587),
            volumes=engine,
        ),
        Host("postal2", f"postal2.{DOMAIN}", subnet[13], ports=(22, 25, 80, 443), volumes=engine),
    ]
    if with_registry:
        hosts.insert(
            2,
            Host(
                "registry",
                f"registry.{DOMAIN}",
                subnet[4],
                image="registry",
                ports=(22, REGISTRY_PORT),
                volumes={"/var/lib/docker-registry": True},
                tls_names=(f"registry.{DOMAIN}", "127.0.0.1"),
            ),
        )
    for number in range(FIRST_EXTRA, FIRST_EXTRA + extra):
        address = extra_address(subnet, number)
        hosts.append(Host(f"postal{number}", f"postal{number}.{DOMAIN}", address, volumes=engine))
    return Topology(subnet, tuple(hosts), authority, resolver)


def extra_address(subnet: IPv4Network, number: int) -> IPv4Address:
    return subnet[18 + number]


def extra_numbers() -> range:
    return range(FIRST_EXTRA, FIRST_EXTRA + MAX_EXTRA)
