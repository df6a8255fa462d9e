"""Whether a host that sends straight to the MX gets out on port 25."""

from mailfleet.checks.probe import Probe
from mailfleet.checks.result import Level


def outbound_probe(host: str, port: int, relays: str) -> Probe:
    """Whether a mail server is reachable; `relays` is the setting that avoids the port."""
    target = f"{host} {port}"
    return Probe(
        "outbound port 25",
        f"timeout 8 bash -c ': </dev/tcp/{target.replace(' ', '/')}' 2>/dev/null && "
        f"echo '{target} answers' || {{ echo '{target} cannot be reached'; exit 1; }}",
        f"ask the provider to open port 25, or send through {relays}",
        level=Level.FULL,
    )
