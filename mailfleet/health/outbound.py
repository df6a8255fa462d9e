"""Whether a host that sends straight to the MX gets out on port 25."""

from mailfleet.health.probe import Level, Probe
from mailfleet.settings.preflight import PreflightSettings


def outbound_probe(settings: PreflightSettings, relays: str) -> Probe:
    """`relays` is the setting that leads mail around a closed port."""
    target = f"{settings.outbound_host} {settings.outbound_port}"
    return Probe(
        "outbound port 25",
        f"timeout 8 bash -c ': </dev/tcp/{target.replace(' ', '/')}' 2>/dev/null && "
        f"echo '{target} answers' || {{ echo '{target} cannot be reached'; exit 1; }}",
        f"ask the provider to open port 25, or send through {relays}",
        level=Level.FULL,
    )
