"""checkdmarc on a list of domains: bench/.venv-dns/bin/python dns_peer.py PORT THREADS FILE

Prints the seconds that the checks took, and how many domains it found a valid SPF and DMARC record
for."""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checkdmarc
from dns.nameserver import Do53Nameserver


def main(port: int, threads: int, file: Path) -> None:
    domains = file.read_text().split()
    servers = [Do53Nameserver("127.0.0.1", port)]

    def valid(domain: str) -> bool:
        found = checkdmarc.check_domains([domain], nameservers=servers)
        return bool(found["spf"]["valid"] and found["dmarc"]["valid"])

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        good = sum(pool.map(valid, domains))
    print(json.dumps({"seconds": time.perf_counter() - start, "valid": good}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
