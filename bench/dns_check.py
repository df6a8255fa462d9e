"""How long does a full DNS check of many domains take, here and with checkdmarc?

python bench/dns_check.py [--domains N] [--without-peer]; needs Debian's package knot."""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mailfleet.dns.finding import Verdict
from mailfleet.dns.record import Record, RecordType, Severity
from mailfleet.dns.resolver import Limits
from mailfleet.dns.run import Live, check_live, run_loop
from mailfleet.dns.server import Address
from tests.accept.knot import knot

HERE = Path(__file__).parent
PEER = HERE / ".venv-dns"
# A key of 2048 bits, of this benchmark alone.
KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqLBYM0O4g/3nQ1/KMV/ZxslvSXp0COpO+iKFX+U+PcbuF2oruJi9"
    "IagxEOs9fPgNA8LCLJaZasbMUcZLkeBXI1q0lFWfJWa8EM/bi2yr2VhcJvvdpwuCRUeABNfxJZRl+cL0wL+Nc/+fpHAJnaj0"
    "PqN3S5bs7eq/qVcg9U7HNCCn1JGFQ85pc3VmzgOSdWEUsQxBlEsaxHcaeof5f+3hRQe1qzEDqImThJPrrExPVOhyUP/Jf3EE"
    "XoIq1+5yM2gJSK+9rVqPDeQYrXIAaelAHwvuxLFPICbx1iSc8LusyZ1CJYKdyY8j1CUbWniVWwfO1XmvMhkbwF0JpbS3DpjY"
    "FwIDAQAB"
)
HOST, SENDER = "postal.fleet.test", "192.0.2.10"
FLEET = f"""
postal A {SENDER}
postal MX 10 postal
rp MX 10 postal
rp TXT "v=spf1 a mx include:spf.fleet.test ~all"
spf TXT "v=spf1 ip4:{SENDER} include:more.fleet.test ~all"
more TXT "v=spf1 ip4:198.51.100.0/24 ~all"
*._report._dmarc TXT "v=DMARC1"
"""


def records(domain: str) -> Iterator[Record]:
    """What one sending domain wants."""
    values: dict[tuple[str, RecordType], tuple[str, ...]] = {
        (domain, "A"): (SENDER,),
        (domain, "MX"): (f"10 mx1.{domain}", f"20 mx2.{domain}"),
        (f"mx1.{domain}", "A"): (SENDER,),
        (f"mx2.{domain}", "A"): ("192.0.2.11",),
        (domain, "TXT"): ("v=spf1 include:spf.fleet.test a mx ~all",),
        (f"postal._domainkey.{domain}", "TXT"): (f"v=DKIM1; t=s; h=sha256; p={KEY};",),
        (f"psrp.{domain}", "CNAME"): ("rp.fleet.test",),
        (f"_dmarc.{domain}", "TXT"): ("v=DMARC1; p=reject; rua=mailto:dmarc@fleet.test",),
        (f"_smtp._tls.{domain}", "TXT"): ("v=TLSRPTv1; rua=mailto:tls@fleet.test",),
        (domain, "CAA"): ('0 issue "letsencrypt.org"',),
    }
    for (name, kind), part in values.items():
        yield Record(name, kind, part, "", "", Severity.REQUIRED, "")


def zones(domains: Sequence[str]) -> dict[str, str]:
    """All zones, with the delegations that a check of DNSSEC and NS looks at."""
    found = {
        domain: "".join(
            f"{record.name}. {record.type} {line}\n"
            for record in records(domain)
            for line in record.lines
        )
        for domain in domains
    }
    found |= {"fleet.test": FLEET, "2.0.192.in-addr.arpa": f"10 PTR {HOST}.\n11 PTR {HOST}.\n"}
    delegations = "".join(f"{name}. NS ns1.{name}.\nns1.{name}. A 127.0.0.1\n" for name in found)
    return {**found, ".": delegations}


def ours(domains: Sequence[str], server: Address) -> tuple[float, Live]:
    wanted = [record for domain in domains for record in records(domain)]
    sender = "10.2.0.192.in-addr.arpa"
    wanted.append(Record(sender, "PTR", (HOST,), "", "", Severity.REQUIRED, ""))
    start = time.perf_counter()
    live = run_loop(check_live(wanted, [server], Limits(seconds=600, rate=0)))
    seconds = time.perf_counter() - start
    bad = [finding for finding in live.findings if finding.verdict is not Verdict.OK]
    if bad:
        sys.exit(f"not clean: {bad[0]}")
    return seconds, live


class Late(asyncio.DatagramProtocol):
    """Passes datagrams of one client on by another socket, `seconds` late."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.sender: tuple[str, int] | None = None
        self.pass_on: Callable[[bytes], None] = lambda data: None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sender = addr
        asyncio.get_running_loop().call_later(self._seconds, self.pass_on, data)


def one_domain_far_away(domain: str, server: Address, round_trip: float) -> float:
    """Seconds for one domain when each answer takes so long (seconds)."""

    async def inside() -> float:
        loop = asyncio.get_running_loop()
        there, back = Late(round_trip / 2), Late(round_trip / 2)
        near, _ = await loop.create_datagram_endpoint(lambda: there, local_addr=("127.0.0.1", 0))
        away, _ = await loop.create_datagram_endpoint(
            lambda: back, remote_addr=(server.host, server.port)
        )
        there.pass_on = away.sendto
        back.pass_on = lambda data: near.sendto(data, there.sender)
        far = Address(*near.get_extra_info("sockname"))
        start = time.perf_counter()
        await check_live(list(records(domain)), [far], Limits(rate=0))
        seconds = time.perf_counter() - start
        near.close()
        away.close()
        return seconds

    return run_loop(inside())


def ours_apart(domains: Sequence[str], port: int, processes: int) -> float:
    """The slowest process's seconds, each with a part of the domains, as for the peer."""

    def run(part: Sequence[str]) -> float:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(part))
            file.flush()
            command = [sys.executable, __file__, "--port", str(port), "--list", file.name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)

    parts = [domains[number::processes] for number in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        return max(pool.map(run, parts))


def peer(domains: Sequence[str], port: int, threads: int, processes: int) -> float:
    """The slowest process's seconds."""

    def run(part: Sequence[str]) -> dict[str, float]:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(part))
            file.flush()
            command = [
                PEER / "bin/python",
                HERE / "dns_peer.py",
                str(port),
                str(threads),
                file.name,
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
        answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        if answer["valid"] != len(part):
            sys.exit(f"checkdmarc: {answer['valid']} of {len(part)} domains are valid")
        return answer

    parts = [domains[number::processes] for number in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        return max(answer["seconds"] for answer in pool.map(run, parts))


def install_peer() -> None:
    if not PEER.exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        pip = [str(PEER / "bin/pip"), "install", "-q", "--require-hashes"]
        subprocess.run([*pip, "-r", str(HERE / "dns_requirements.lock")], check=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--domains", type=int, default=1000)
    arguments.add_argument("--without-peer", action="store_true")
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.list:
        print(ours(given.list.read_text().split(), Address("127.0.0.1", given.port))[0])
        return
    domains = [f"d{number:05}.test" for number in range(given.domains)]
    with (
        tempfile.TemporaryDirectory() as directory,
        knot(Path(directory), zones(domains)) as server,
    ):
        address, count = Address("127.0.0.1", server.port), len(domains)
        runs = [ours(domains, address)]
        rows = []
        if not given.without_peer:
            install_peer()
            for threads, processes in ((1, 1), (16, 1), (1, 2)):
                took = peer(domains, server.port, threads, processes)
                rows.append((f"checkdmarc, {threads} threads, {processes} processes", took))
                # In turns, so that a load from elsewhere meets both.
                runs.append(ours(domains, address))
        seconds = statistics.median(took for took, _ in runs)
        apart = statistics.median(ours_apart(domains, server.port, 2) for _ in range(3))
        rows.insert(0, ("mailfleet, 2 processes (median)", apart))
        for name, took in [("mailfleet (median)", seconds), *rows]:
            print(f"| {name} | {took:.2f} | {count / took:.0f} | {took / seconds:.1f} |")
        far = [one_domain_far_away(domains[0], address, 0.02) for _ in range(9)]
        print(f"one domain, 20 ms a round trip: {statistics.median(far) * 1000:.0f} ms")
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        spread = ", ".join(f"{took:.2f}" for took, _ in runs)
        print(
            f"mailfleet: {spread} s; {runs[0][1].queries / count:.1f} queries a domain; "
            f"peak memory {memory} MiB; load {os.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
