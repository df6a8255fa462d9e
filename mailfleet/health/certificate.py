"""How long a certificate holds yet, asked on the host."""


def expiry(read: str, warn_seconds: int) -> str:
    """Shell that ends a probe: it fails where a certificate has expired, and warns where it ends
    within `warn_seconds` (openssl-x509(1), "-checkend"). `read` is `openssl x509 -noout` of it."""
    return (
        f"{read} -checkend 0 >/dev/null || exit 1; "
        f"{read} -checkend {warn_seconds} >/dev/null || exit 80"
    )
