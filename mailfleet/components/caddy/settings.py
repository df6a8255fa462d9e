"""Settings of `caddy`: the web server in front of everything."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from mailfleet.fleet.model import ComponentSettings
from mailfleet.fleet.types import EmailAddress, Image, Tag, Text
from mailfleet.secrets import SecretRef, secret


class CaddySettings(ComponentSettings):
    """TLS, redirects and proxying for the web interface and the tracking domains."""

    prefix: ClassVar[str] = "caddy_"

    image: Image = Field(default="caddy", description="Image name, without tag.")
    version: Tag = Field(default="2.11.7", description="Image tag.")
    tls: Literal["acme", "internal", "given"] = Field(
        default="acme",
        description="`acme`: certificates from an ACME CA; `internal`: Caddy's own CA; `given`: "
        "caddy_certificate and caddy_certificate_key.",
    )
    acme_email: EmailAddress | None = Field(
        default=None, description="Account address at the ACME CA; required with `acme`."
    )
    acme_directory: Annotated[str, Field(pattern=r"^https://\S+$")] | None = Field(
        default=None, description="ACME directory URL; default is Caddy's (Let's Encrypt)."
    )
    acme_ca_file: Text | None = Field(
        default=None,
        description="PEM file on the control machine: the CA that signed the ACME server's own "
        "certificate, where the public ones did not.",
    )
    certificate: SecretRef = Field(
        default=secret("caddy/certificate"),
        description="Certificate chain (PEM) used with `given`.",
    )
    certificate_key: SecretRef = Field(
        default=secret("caddy/certificate_key"), description="Its private key (PEM)."
    )
    hsts_max_age: Annotated[int, Field(ge=0)] = Field(
        default=31536000,
        description="Strict-Transport-Security max-age (seconds, RFC 6797); 0 leaves it out.",
    )

    @override
    def unused_secrets(self) -> set[str]:
        given = self.tls == "given"
        return set() if given else {"caddy_certificate", "caddy_certificate_key"}
