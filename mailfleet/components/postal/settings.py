"""Settings of `postal`: the sending platform."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.model import ComponentSettings, Item
from mailfleet.fleet.types import (
    EmailAddress,
    HostName,
    Image,
    Network,
    Port,
    SqlName,
    Tag,
    Text,
)
from mailfleet.secrets import SecretRef, secret
from mailfleet.secrets.generate import password, random_hex, rsa_key

TESTED_VERSIONS = ("3.3.6", "3.3.7")

POSTAL_PROCESSES = frozenset({"postal_web", "postal_smtp", "postal_worker"})
"""Roles of hosts that run one of Postal's processes."""


class LogDriver(Item):
    """How Docker keeps the log of one process."""

    driver: Literal["local", "json-file", "journald", "syslog", "gelf"]
    options: dict[Text, Text] = Field(default={})


class PostalSettings(ComponentSettings):
    """Postal 3.3: web interface, SMTP server and workers. Every key of Postal's own schema that
    has no setting here can be set with `postal_config`, which is checked just the same."""

    prefix: ClassVar[str] = "postal_"

    image: Image = Field(
        default="ghcr.io/postalserver/postal", description="Image name, without tag."
    )
    version: Tag = Field(
        default="3.3.7",
        description="Image tag. Versions outside the tested set deploy with a warning.",
    )
    networking: Literal["bridge", "host"] = Field(
        default="bridge",
        description="`bridge`: only the ports asked for are published; `host`: needed by IP pools.",
    )
    subnet: Network = Field(
        default="172.27.25.0/24",
        description="Network of the Postal containers with `bridge`; Postal trusts its gateway as "
        "a proxy.",
    )

    # Names in DNS (Postal manual, "DNS configuration")
    web_hostname: HostName = Field(description="Name of the web interface and the API.")
    smtp_hostname: HostName | None = Field(
        default=None, description="Name in the SMTP banner. Default: postal_web_hostname."
    )
    helo_hostname: HostName | None = Field(
        default=None,
        description="Name given in HELO when sending; the PTR record of the sending address must "
        "say the same. Default: postal_smtp_hostname.",
    )
    mx_names: list[HostName] | None = Field(
        default=None,
        description="Names that receiving domains publish as MX. Default: postal_smtp_hostname.",
    )
    spf_include: HostName | None = Field(
        default=None, description="Name that senders include in SPF. Default: `spf.<web_hostname>`."
    )
    return_path_domain: HostName | None = Field(
        default=None, description="Default MAIL FROM domain. Default: `rp.<web_hostname>`."
    )
    route_domain: HostName | None = Field(
        default=None, description="Domain of route addresses. Default: `routes.<web_hostname>`."
    )
    track_domain: HostName | None = Field(
        default=None,
        description="Name that tracking domains are CNAMEs of. Default: `track.<web_hostname>`.",
    )
    track_domains: list[HostName] = Field(
        default=[],
        description="Tracking domains that Caddy serves, such as click.example.com.",
    )

    sending_domains: list[HostName] = Field(
        default=[],
        description="Domains that send through this Postal: their records are among those that "
        "`mailfleet dns` prints, checks and publishes.",
    )

    # Processes
    web_port: Port = Field(
        default=5000, description="Port of the web process, on loopback of its host."
    )
    web_max_threads: Annotated[int, Field(ge=1)] = Field(
        default=5, description="Threads of the web process; the database pool follows."
    )
    smtp_ports: list[Port] = Field(
        default=[25],
        min_length=1,
        description="Ports on which the SMTP server answers; several need `bridge`.",
    )
    worker_threads: Annotated[int, Field(ge=1)] = Field(
        default=2, description="Threads of a worker: scale here first."
    )
    worker_replicas: Annotated[int, Field(ge=1, le=20)] = Field(
        default=1,
        description="Workers on each worker host, each with its own name and health port.",
    )
    worker_stop_seconds: Annotated[int, Field(ge=120)] = Field(
        default=180,
        description="Seconds a worker may take to finish what it is sending when stopped. A "
        "killed worker loses the message it was sending.",
    )
    use_ip_pools: bool = Field(default=False, description="Send from pools of addresses.")
    max_message_mb: Annotated[int, Field(ge=1, le=100)] = Field(
        default=14, description="Largest message (MB); MariaDB's limits follow from it."
    )
    smtp_tls: Literal["caddy", "given", "off"] = Field(
        default="caddy",
        description="STARTTLS with the certificate that Caddy holds for postal_smtp_hostname, "
        "with a given one, or none.",
    )
    smtp_certificate: SecretRef = Field(
        default=secret("postal/smtp_certificate"), description="Chain (PEM) used with `given`."
    )
    smtp_certificate_key: SecretRef = Field(
        default=secret("postal/smtp_certificate_key"), description="Its private key (PEM)."
    )
    relays: list[Text] = Field(
        default=[],
        description="Smarthosts, as smtp://host:port?ssl_mode=Auto; empty: straight to the MX.",
    )
    allowed_request_destinations: list[Text] = Field(
        default=[],
        description="Private hosts, addresses or networks to which webhooks and HTTP endpoints "
        "may go (since 3.3.7 Postal refuses them otherwise).",
    )
    trusted_proxies: list[Network] = Field(
        default=[], description="Proxies, besides Caddy on the same host, that Postal believes."
    )
    log_drivers: dict[Literal["web", "smtp", "worker"], LogDriver] = Field(
        default={},
        description='Log driver per process, such as {"smtp": LogDriver(driver="syslog", '
        'options={"tag": "postal-smtp"})}.',
    )
    gelf_host: HostName | None = Field(
        default=None, description="Graylog server that Postal itself sends its log to."
    )
    gelf_port: Port = Field(default=12201, description="UDP port there.")

    # Database
    database_name: SqlName = Field(default="postal", description="Name of the main database.")
    database_user: SqlName = Field(default="postal", description="Database user.")
    database_prefix: SqlName = Field(
        default="postal", description="Prefix of message databases. Never change after go-live."
    )
    database_password: SecretRef = Field(
        default=secret("postal/database_password", password(32)), description="Its password."
    )

    # Postal's own mail, keys and first user
    from_name: Text = Field(default="Postal", description="Sender name of Postal's own mail.")
    from_address: EmailAddress | None = Field(
        default=None, description="Sender of Postal's own mail. Default: `postal@<web_hostname>`."
    )
    rails_secret_key: SecretRef = Field(
        default=secret("postal/rails_secret_key", random_hex(64)), description="Signs sessions."
    )
    signing_key: SecretRef = Field(
        default=secret("postal/signing_key", rsa_key(2048)),
        description="RSA key of the return path's DKIM and of webhooks; moves with the data.",
    )
    admin_email: EmailAddress | None = Field(
        default=None, description="First admin user, created once; none: make it by hand."
    )
    admin_first_name: Text = Field(default="Postal", description="Its first name.")
    admin_last_name: Text = Field(default="Admin", description="Its last name.")
    admin_password: SecretRef = Field(
        default=secret("postal/admin_password", password(24)), description="Its password."
    )

    # Spam and virus checks
    rspamd_host: HostName | None = Field(default=None, description="Turns rspamd on, there.")
    rspamd_port: Port = Field(default=11334, description="Its port.")
    spamd_host: HostName | None = Field(default=None, description="Turns SpamAssassin on, there.")
    spamd_port: Port = Field(default=783, description="Its port.")
    clamav_host: HostName | None = Field(default=None, description="Turns ClamAV on, there.")
    clamav_port: Port = Field(default=2000, description="Its port.")

    # OpenID Connect
    oidc_issuer: Annotated[str, Field(pattern=r"^https://\S+$")] | None = Field(
        default=None, description="Issuer URL; turns OpenID Connect on."
    )
    oidc_name: Text = Field(default="OIDC Provider", description="Name on the login button.")
    oidc_identifier: Text | None = Field(default=None, description="Client id.")
    oidc_secret: SecretRef = Field(
        default=secret("postal/oidc_secret"), description="Client secret."
    )
    oidc_scopes: list[Text] = Field(default=["openid", "email"], description="Scopes asked for.")
    oidc_local_authentication: bool = Field(
        default=True, description="Keep password logins besides OpenID Connect."
    )

    config: dict[str, Any] = Field(
        default={},
        description="Further keys of postal.yml (version 2) by group, checked against Postal's "
        'schema: {"postal": {"default_spam_threshold": 6}}.',
    )

    @property
    def smtp_name(self) -> str:
        return self.smtp_hostname or self.web_hostname

    def name_under_web(self, given: str | None, label: str) -> str:
        """The given name, or the manual's usual one below the web host name."""
        return given or f"{label}.{self.web_hostname}"

    @override
    def unused_secrets(self) -> set[str]:
        unused = set()
        if self.smtp_tls != "given":
            unused |= {"postal_smtp_certificate", "postal_smtp_certificate_key"}
        if self.oidc_issuer is None:
            unused.add("postal_oidc_secret")
        if self.admin_email is None:
            unused.add("postal_admin_password")
        return unused


def postal_hosts(fleet: Fleet) -> list[Host]:
    """Hosts that run one of Postal's processes."""
    return fleet.with_role(*POSTAL_PROCESSES)
