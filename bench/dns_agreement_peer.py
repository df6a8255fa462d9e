"""What checkdmarc says of a list of domains.

bench/.venv-dns/bin/python bench/dns_agreement_peer.py PORT FILE

Prints JSON: domain -> aspect -> whether it is valid, why not, and what was read."""

import json
import re
import sys
from pathlib import Path
from typing import Any

from checkdmarc.dmarc import check_dmarc
from checkdmarc.mta_sts import MTASTSError, parse_mta_sts_record, query_mta_sts_record
from checkdmarc.smtp import check_mx
from checkdmarc.smtp_tls_reporting import check_smtp_tls_reporting
from checkdmarc.spf import check_spf
from dns.nameserver import Do53Nameserver

# Warnings that mean that mail does not arrive; it warns of missing PTR records too, for instance.
_MX_FAULT = re.compile(
    r"CNAME alias|any A or AAAA|no MX records|not exist|label|IP address|null MX"
)

_DMARC_FAULT = re.compile(r"does not indicate|only required to support mailto|was used instead")


def spf(domain: str, servers: Any) -> dict[str, Any]:
    found = check_spf(domain, nameservers=servers)
    faults = [
        text for text in found.get("warnings", []) if text.startswith("Error when processing")
    ]
    return {
        "valid": found["valid"],
        "why": found.get("error") or "; ".join(faults),
        "lookups": found.get("dns_lookups"),
        "voids": found.get("void_dns_lookups"),
    }


def dmarc(domain: str, servers: Any) -> dict[str, Any]:
    found = check_dmarc(domain, nameservers=servers)
    policy = found["tags"]["p"]["value"] if found["valid"] else None
    faults = [text for text in found["warnings"] if _DMARC_FAULT.search(text)]
    why = found.get("error") or "; ".join(faults)
    return {"valid": not why, "why": why, "policy": policy}


def mx(domain: str, servers: Any) -> dict[str, Any]:
    found = check_mx(domain, nameservers=servers)
    faults = [text for text in found.get("warnings", []) if _MX_FAULT.search(text)]
    null = any("null MX" in text for text in faults) and not found["hosts"]
    why = found.get("error") or "; ".join(faults)
    return {"valid": null or not why, "why": why}


def tls(domain: str, servers: Any) -> dict[str, Any]:
    found = check_smtp_tls_reporting(domain, nameservers=servers)
    return {"valid": found["valid"], "why": found.get("error", "")}


def sts(domain: str, servers: Any) -> dict[str, Any]:
    try:
        parse_mta_sts_record(query_mta_sts_record(domain, nameservers=servers)["record"])
    except MTASTSError as error:
        return {"valid": False, "why": str(error)}
    return {"valid": True, "why": ""}


def main(port: int, file: Path) -> None:
    servers = [Do53Nameserver("127.0.0.1", port)]
    aspects = {"spf": spf, "dmarc": dmarc, "mx": mx, "tls-rpt": tls, "mta-sts": sts}
    found = {
        domain: {name: look(domain, servers) for name, look in aspects.items()}
        for domain in file.read_text().split()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
