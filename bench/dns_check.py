"""How long does a full DNS check of many domains take, here and with checkdmarc?

python bench/dns_check.py [peer|limit|growth] [--domains N]; needs Debian's packages knot and, for
the limit, dnsperf."""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mailfleet.dns.checks.check_run import CheckRun, check_records, run_checks, run_loop
from mailfleet.dns.finding import Verdict
from mailfleet.dns.record import Record, RecordType, Severity
from mailfleet.dns.resolve.answer import query_all
from mailfleet.dns.resolve.resolver import Limits, Resolver
from mailfleet.dns.resolve.server import Address
from mailfleet.dns.resolve.wire import TYPES
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


def ours(domains: Sequence[str], server: Address) -> tuple[float, CheckRun]:
    """Seconds, as `mailfleet dns check` looks, and what it found. Ends the script unless all is
    well."""
    wanted = [record for domain in domains for record in records(domain)]
    sender = "10.2.0.192.in-addr.arpa"
    wanted.append(Record(sender, "PTR", (HOST,), "", "", Severity.REQUIRED, ""))
    start = time.perf_counter()
    live = run_checks(wanted, [server], Limits(seconds=600, rate=0))
    seconds = time.perf_counter() - start
    bad = [finding for finding in live.findings if finding.verdict is not Verdict.OK]
    if bad:
        sys.exit(f"not clean: {bad[0]}")
    return seconds, live


@dataclass(frozen=True)
class Run:
    """One look in a process of its own."""

    seconds: float
    """Without the start of that process."""
    queries: int
    memory: int
    """Peak, in MiB."""


def fresh(domains: Sequence[str], port: int) -> Run:
    """A run in a new process."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(domains))
        file.flush()
        command = [sys.executable, __file__, "--port", str(port), "--list", file.name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Run(**json.loads(done.stdout))


def in_this_process(file: Path, port: int) -> Run:
    seconds, live = ours(file.read_text().split(), Address("127.0.0.1", port))
    # What getrusage says of this process begins with the size of the one that started it.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return Run(seconds, live.queries, int(peak[1]) // 1024)


def wait_for_zones(names: Sequence[str], server: Address) -> None:
    """Knot answers before it has read all zones."""

    async def ready() -> bool:
        resolver = Resolver([server], Limits(rate=0))
        try:
            answers = await resolver.run(query_all(*((name, "SOA") for name in names)))
        finally:
            resolver.close()
        return all(answer.values for answer in answers)

    while not run_loop(ready()):
        time.sleep(0.5)


def limit_of_server(live: CheckRun, server: Address) -> float:
    """Queries a second that dnsperf gets answered, of the same questions."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.writelines(
            f"{answer.question.name} {answer.question.type}\n"
            for answer in live.answers
            if answer.question.type in TYPES
        )
        file.flush()
        command = ["dnsperf", "-l", "10", "-d", file.name]
        command += ["-s", server.host, "-p", str(server.port)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


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
        await check_records(list(records(domain)), [far], Limits(rate=0))
        seconds = time.perf_counter() - start
        near.close()
        away.close()
        return seconds

    return run_loop(inside())


def peer(domains: Sequence[str], port: int, threads: int, processes: int) -> float:
    """The slowest process's seconds."""

    def run(part: Sequence[str]) -> dict[str, float]:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("\n".join(part))
            file.flush()
            command = [
                str(PEER / "bin/python"),
                str(HERE / "dns_peer.py"),
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


def against_peer(domains: Sequence[str], address: Address, threads: Sequence[int]) -> None:
    """Both in turns, so that a load from elsewhere meets both."""
    install_peer()
    runs, rows = [fresh(domains, address.port)], []
    for count in threads:
        processes = 2 if count == 0 else 1
        took = peer(domains, address.port, count or 1, processes)
        name = "2 processes" if count == 0 else f"{count} thread{'s' if count > 1 else ''}"
        rows.append((f"checkdmarc, {name}", took))
        runs.append(fresh(domains, address.port))
    seconds = statistics.median(run.seconds for run in runs)
    rows.insert(0, ("mailfleet", seconds))
    for name, took in rows:
        rate = len(domains) / took
        print(f"| {name} | {took:.2f} | {rate:.0f} | {took / seconds:.1f} |")
    spread = ", ".join(f"{run.seconds:.2f}" for run in runs)
    print(f"mailfleet: {spread} s; {runs[0].memory} MiB")


def against_limit(domains: Sequence[str], address: Address) -> None:
    seconds, live = ours(domains, address)
    limit = limit_of_server(live, address)
    asked = live.queries / seconds
    print(f"{live.queries / len(domains):.1f} queries a domain, {asked:.0f} a second")
    print(f"dnsperf: {limit:.0f} a second, {limit / asked:.1f} times as many")
    far = [one_domain_far_away(domains[0], address, 0.02) for _ in range(9)]
    shown = ", ".join(f"{took * 1000:.0f}" for took in sorted(far))
    print(f"one domain, 20 ms a round trip: {statistics.median(far) * 1000:.0f} ms ({shown})")


def growth(domains: Sequence[str], address: Address) -> None:
    count = 10
    while count <= len(domains):
        run = min((fresh(domains[:count], address.port) for _ in range(3)), key=lambda x: x.seconds)
        each = run.seconds / count * 1000
        print(f"| {count} | {run.seconds:.2f} | {each:.1f} | {run.queries} | {run.memory} |")
        count *= 10


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("what", choices=["peer", "limit", "growth"], nargs="?", default="peer")
    arguments.add_argument("--domains", type=int, default=1000)
    arguments.add_argument(
        "--threads", type=int, nargs="*", default=[1, 16, 0], help="of checkdmarc; 0: 2 processes"
    )
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--list", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.list:
        print(json.dumps(asdict(in_this_process(given.list, given.port))))
        return
    domains = [f"d{number:05}.test" for number in range(given.domains)]
    served = zones(domains)
    with tempfile.TemporaryDirectory() as directory, knot(Path(directory), served) as server:
        address = Address("127.0.0.1", server.port)
        wait_for_zones(list(served), address)
        if given.what == "peer":
            against_peer(domains, address, given.threads)
        elif given.what == "limit":
            against_limit(domains, address)
        else:
            growth(domains, address)
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
