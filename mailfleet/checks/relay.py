"""Whether a smarthost such as Postmark's can be reached, asked on the host that uses it."""

import shlex
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from mailfleet.checks.probe import Probe
from mailfleet.checks.result import Level

Tls = Literal["starttls", "tls", "none"]

# `verify error:num=20:unable to ...`, and
# `<thread>:error:<code>:<library>:<function>:<reason>:<file>:<line>:<more>`.
_WHY = (
    "s/^(verify error):num=[0-9]+/\\1/p; s/^[0-9A-F]+:error:([^:]*:){3}([^:]+):.*:(.*)$/\\2, \\3/p"
)

_REMEDY = "see that the name is right, and ask the provider to let this port out"


def relay_probe(name: str, port: int, tls: Tls, verify: bool = False) -> Probe:
    """Its greeting, and TLS by RFC 3207 or from the start; with `verify` also whose certificate
    it is. Nothing is sent, and no password."""
    if tls == "none":
        command = (
            f"timeout 10 bash -c 'exec 3<>/dev/tcp/{name}/{port} && read -r line <&3 && "
            'echo "$line" && printf "QUIT\\r\\n" >&3\' 2>&1 | tr -d "\\r" | grep \'^220\' || '
            "{ echo 'no greeting'; exit 1; }"
        )
    else:
        options = ["-connect", f"{name}:{port}", "-servername", name]
        options += ["-starttls", "smtp"] if tls == "starttls" else []
        options += ["-verify_return_error", "-verify_hostname", name] if verify else []
        trusted = ", certificate verified" if verify else ""
        command = (
            f"said=$(timeout 10 openssl s_client {shlex.join(options)} </dev/null 2>&1) && "
            f"echo 'answers with TLS{trusted}' || {{ "
            f'why=$(echo "$said" | sed -nE {shlex.quote(_WHY)} | head -n 1); '
            'echo "${why:-no answer}"; exit 1; }'
        )
    return Probe(f"relay {name}:{port}", command, _REMEDY, level=Level.FULL)


def relay_host(url: str) -> str:
    """Name in `smtp://host:port?ssl_mode=...`, as Postal takes it."""
    return urlsplit(url).hostname or ""


def postal_relay_probe(url: str) -> Probe:
    """As Postal connects (endpoint.rb): with STARTTLS and TLS it verifies the certificate by the
    authorities of its image, which are Debian's like the host's; else it takes any, or no TLS."""
    parts = urlsplit(url)
    mode = parse_qs(parts.query).get("ssl_mode", ["Auto"])[0].lower()
    tls: Tls = "starttls" if mode == "starttls" else "tls" if mode == "tls" else "none"
    return relay_probe(relay_host(url), parts.port or 25, tls, verify=tls != "none")
