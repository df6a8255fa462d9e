"""How long a certificate holds yet, asked on the host."""

from mailfleet.agent.evaluate import LIFE_DAYS


def expiry(read: str, warn_days: int) -> str:
    """Shell that ends a probe: it fails where a certificate has expired, and warns where it ends
    within `warn_days` of LIFE_DAYS (openssl-x509(1), "-checkend"). `read` is `openssl x509 -noout`
    of it."""
    return (
        f"{read} -checkend 0 >/dev/null || exit 1; "
        f'at() {{ date -d "$({read} "$1" | cut -d= -f2)" +%s; }}; '
        f"life=$(($(at -enddate) - $(at -startdate))); most={LIFE_DAYS * 86400}; "
        '[ "$life" -lt "$most" ] || life=$most; '
        f"{read} -checkend $((life * {warn_days} / {LIFE_DAYS})) >/dev/null || exit 80"
    )
