"""Which hosts receive the mail of a domain, and which certificates they present."""

from mailfleet.fleet.fleet import Fleet
from mailfleet.secrets import SecretRef


def mx_hosts(fleet: Fleet, domain: str) -> list[str]:
    """MX hosts of a domain whose mail arrives at the fleet; empty for other domains."""
    return [
        name
        for definition in fleet.schema.definitions
        if definition.mx
        for name in definition.mx(fleet, domain)
    ]


def given_certificates(fleet: Fleet) -> dict[str, SecretRef]:
    """Name of each mail server whose certificate the operator gives -> that certificate."""
    return {
        name: certificate
        for definition in fleet.schema.definitions
        if definition.certificates
        for name, certificate in definition.certificates(fleet).items()
    }
