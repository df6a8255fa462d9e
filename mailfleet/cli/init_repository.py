"""The files of an operator's own repository, as `mailfleet init` makes them. Pure."""

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from mailfleet.components.registry import SCHEMA
from mailfleet.templates import ROOT

INVENTORY = "inventories/prod.py"
LAB_INVENTORY = "inventories/lab.py"

PROVIDERS: Mapping[str, Mapping[str, object]] = {
    "hetzner": {"ssh_user": "root"},
    # Lightsail's Debian images let `admin` in, who may use sudo.
    "lightsail": {"ssh_user": "admin", "_sudo": True},
    "other": {"ssh_user": "root"},
}
"""Provider -> how its Debian images are logged in to, as pyinfra's host data."""

_GITIGNORE = """\
.venv/
__pycache__/
pyinfra-debug.log
# Private keys of age. The encrypted secrets/*.age and their .recipients files are committed.
secrets/*.key
identity.txt
"""

_FROM_THE_WHEEL = """\
# The wheel is attached to the release: pip install --find-links DIRECTORY -r requirements.txt
"""

_OFTEN_CHANGED = {
    "all": (
        "access_logins",
        "access_open",
        "base_packages",
        "base_ntp_servers",
        "base_swap_below_mb",
        "docker_source",
        "docker_registry_mirrors",
        "preflight_accept",
    ),
    "dns": ("dns_zones", "dns_reverse", "dns_dmarc", "dns_mta_sts", "dns_senders"),
    "caddy": ("caddy_tls", "caddy_acme_directory"),
    "database": ("mariadb_version", "mariadb_buffer_pool_mb", "mariadb_max_connections"),
    "postal": (
        "postal_sending_domains",
        "postal_track_domains",
        "postal_smtp_ports",
        "postal_worker_threads",
        "postal_max_message_mb",
        "postal_relays",
        "postal_config",
    ),
    "mailserver": (
        "mailserver_rspamd",
        "mailserver_sender_checks",
        "mailserver_max_message_mb",
        "mailserver_relay_host",
    ),
    "email_api": ("email_api_relay_user", "email_api_unknown_alias", "email_api_max_message_mb"),
    "health": ("health_mailbox", "health_imap_host", "health_mail_from"),
}
"""Part of a file -> optional settings that it shows, commented out, with their defaults."""


@dataclass(frozen=True)
class NewHost:
    """What the operator said of one host."""

    name: str
    fqdn: str
    provider: str
    roles: Sequence[str]
    public_ipv4: IPv4Address
    public_ipv6: IPv6Address | None = None
    private_ipv4: IPv4Address | None = None

    def has(self, *roles: str) -> bool:
        return bool(SCHEMA.with_implied(frozenset(self.roles)) & set(roles))


@dataclass(frozen=True)
class NewFleet:
    """What the operator said of the fleet."""

    domain: str
    contact: str
    """Address that gets notices of the certificate authority and mail to postmaster."""
    relay: str
    """SMTP relay that takes what the e-mail API forwards."""
    hosts: Sequence[NewHost]

    def has(self, *roles: str) -> bool:
        return any(host.has(*roles) for host in self.hosts)


def repository(fleet: NewFleet) -> dict[str, str]:
    """File name -> content of a repository for production."""
    return {
        INVENTORY: _inventory(fleet),
        "group_data/all.py": _all_hosts(),
        "group_data/prod.py": _this_fleet(fleet),
        **_common(INVENTORY, f"{_FROM_THE_WHEEL}mailfleet=={version('mailfleet')}"),
    }


def lab_repository(checkout: Path) -> dict[str, str]:
    """File name -> content of a repository that runs against the lab of a checkout. Raises
    OSError."""
    names = (
        LAB_INVENTORY,
        *(f"group_data/{group}.py" for group in ("all", "mailserver", "postal")),
    )
    return {
        **{name: (checkout / name).read_text(encoding="utf-8") for name in names},
        **_common(LAB_INVENTORY, f"-e {checkout}"),
    }


def _common(inventory: str, requirement: str) -> dict[str, str]:
    deploys = sorted((ROOT / "deploys").glob("*.py"))
    return {
        **{f"deploys/{file.name}": file.read_text(encoding="utf-8") for file in deploys},
        "config.py": (ROOT / "config.py").read_text(encoding="utf-8"),
        ".gitignore": _GITIGNORE,
        "requirements.txt": f"{requirement}\n",
        "README.md": _readme(inventory),
    }


def next_commands(inventory: str) -> list[tuple[str, str]]:
    """What to run after `init`, in this order, each with what it does."""
    return [
        (f"mailfleet settings {inventory}", "check and show the settings of each host"),
        (f"mailfleet secrets init {inventory}", "generate the secrets"),
        (f"mailfleet dns records {inventory}", "list the DNS records to publish"),
        (f"mailfleet dns check {inventory}", "check that they are published"),
        (f"pyinfra {inventory} deploys/preflight.py --dry", "check the hosts, change nothing"),
        (f"pyinfra {inventory} deploys/site.py --dry --diff", "show what a deploy changes"),
        (f"pyinfra {inventory} deploys/site.py", "deploy"),
        (f"mailfleet health {inventory}", "run the health checks"),
    ]


def _readme(inventory: str) -> str:
    commands = next_commands(inventory)
    width = max(len(command) for command, _ in commands)
    steps = "\n".join(f"{command:{width}}  # {meaning}" for command, meaning in commands)
    return f"""\
# Mail fleet

The mail hosts of this fleet, deployed with mailfleet and pyinfra. `{inventory}` lists the hosts and
their roles, `group_data/` holds the settings, `deploys/` what to deploy. Run every command in this
directory.

```console
{steps}
```

On another machine, install what requirements.txt names into a virtual environment first.
"""


def _inventory(fleet: NewFleet) -> str:
    roles = "\n".join(f"    {role:14} {meaning}" for role, meaning in SCHEMA.roles.items())
    hosts = "\n\n".join(_host(host) for host in fleet.hosts)
    used = [role for role in SCHEMA.roles if any(role in host.roles for host in fleet.hosts)]
    groups = "\n".join(
        f"{role} = [{', '.join(_variable(host) for host in fleet.hosts if role in host.roles)}]"
        for role in used
    )
    return f'''\
"""The hosts of the fleet. Every list at the end is a group, which gives its hosts a role:

{roles}

Settings of all hosts are in group_data/all.py, those of this inventory in group_data/prod.py.
Settings of one host only are beside its name, and have the last word.
"""

{hosts}

{groups}
'''


def _host(host: NewHost) -> str:
    settings: dict[str, object] = {
        "host_fqdn": host.fqdn,
        "host_public_ipv4": host.public_ipv4,
        "host_public_ipv6": host.public_ipv6,
        "host_private_ipv4": host.private_ipv4,
    }
    if host.has("postal_worker"):
        settings["postal_helo_hostname"] = host.fqdn
    if host.has("mailserver"):
        settings["mailserver_hostname"] = host.fqdn
    lines = [
        f'{_variable(host)} = (\n    "{host.name}",\n    {{',
        "        # pyinfra connects to this address, whether or not DNS has the name.",
        f'        "ssh_hostname": "{host.public_ipv4}",',
    ]
    for key, value in PROVIDERS[host.provider].items():
        lines.append(f'        "{key}": {_source(value)},')
    for key, value in settings.items():
        # An address that the host does not have is shown as an optional setting.
        shown = "" if value is not None else "# "
        lines += _comment(_description(key), 8)
        lines.append(f'        {shown}"{key}": {_source(value)},')
    return "\n".join([*lines, "    },\n)"])


def _variable(host: NewHost) -> str:
    return "_" + re.sub(r"\W", "_", host.name)


def _all_hosts() -> str:
    return _settings_file(
        "Settings of all hosts of all inventories. Optional settings are commented out and show "
        "their default.",
        [("Hosts", _optional("all"))],
    )


def _this_fleet(fleet: NewFleet) -> str:
    postal = fleet.has("postal_web", "postal_smtp", "postal_worker")
    parts: list[tuple[str, list[str]]] = [
        ("Secrets", _setting("secrets_file", _source("secrets/prod.age"))),
        ("DNS", _optional("dns")),
    ]
    if fleet.has("caddy"):
        parts.append(("Caddy", [*_caddy(fleet), *_optional("caddy")]))
    if fleet.has("database"):
        parts.append(("MariaDB", _optional("database")))
    if postal:
        parts.append(("Postal", [*_postal(fleet), *_optional("postal")]))
    if fleet.has("mailserver"):
        parts.append(("Mailserver", [*_mailserver(fleet), *_optional("mailserver")]))
    if fleet.has("mailserver", "email_api"):
        parts.append(("E-mail API", [*_email_api(fleet), *_optional("email_api")]))
    parts.append(("Health checks", _optional("health")))
    return _settings_file(
        "Settings of the hosts of inventories/prod.py. Optional settings are commented out and "
        "show their default; `mailfleet settings inventories/prod.py --all` prints every setting.",
        parts,
        "from mailfleet.secrets import generate, secret\n" if fleet.has("mailserver") else "",
    )


def _caddy(fleet: NewFleet) -> list[str]:
    return _setting("caddy_acme_email", _source(fleet.contact))


def _postal(fleet: NewFleet) -> list[str]:
    return [
        *_setting("postal_version", _default("postal_version")),
        *_setting("postal_web_hostname", _source(f"postal.{fleet.domain}")),
        *_setting("postal_smtp_hostname", _source(postal_smtp_name(fleet.domain))),
        *_setting("postal_admin_email", _source(fleet.contact)),
    ]


def postal_smtp_name(domain: str) -> str:
    """Name that Postal's SMTP server gets below the domain."""
    return f"mx.postal.{domain}"


def _mailserver(fleet: NewFleet) -> list[str]:
    account = f'{{"app@{fleet.domain}": secret("mailserver/app", generate.password(32))}}'
    return [
        *_setting("mailserver_version", _default("mailserver_version")),
        *_setting("mailserver_domains", _source([_received(fleet)])),
        *_setting("mailserver_postmaster", _source(f"postmaster@{_received(fleet)}")),
        *_setting("mailserver_accounts", account),
    ]


def _email_api(fleet: NewFleet) -> list[str]:
    aliases = {f"postmaster@{_received(fleet)}": [fleet.contact]}
    return [
        *_setting("email_api_aliases", _source(aliases)),
        *_setting("email_api_relay_host", _source(fleet.relay)),
        *_relay_port(fleet),
        *_setting("email_api_srs_domain", _source(_received(fleet))),
    ]


def _relay_port(fleet: NewFleet) -> list[str]:
    if not fleet.has("postal_smtp") or fleet.relay != postal_smtp_name(fleet.domain):
        return _setting("email_api_relay_port", _default("email_api_relay_port"))
    # Postal's own default; a login there must never go in plain text.
    return [
        *_setting("email_api_relay_port", "25"),
        *_setting("email_api_relay_tls", _source("starttls")),
    ]


def _received(fleet: NewFleet) -> str:
    # Not the domain itself: its mail is likely to have a home already.
    return f"in.{fleet.domain}"


def _settings_file(
    title: str, parts: Iterable[tuple[str, Sequence[str]]], imports: str = ""
) -> str:
    head = textwrap.fill(f'"""{title}', 98) + '\n"""\n'
    body = "\n".join(f"# --- {name} ---\n\n" + "\n".join(lines) for name, lines in parts)
    return "\n".join(part for part in (head, imports, body) if part).rstrip() + "\n"


def _setting(key: str, source: str) -> list[str]:
    """Lines of a setting below its description."""
    return [*_comment(_description(key)), f"{key} = {source}", ""]


def _optional(part: str) -> list[str]:
    lines: list[str] = []
    for key in _OFTEN_CHANGED[part]:
        lines += [*_comment(_description(key)), f"# {key} = {_default(key)}", ""]
    return lines


def _description(key: str) -> str:
    model = SCHEMA.keys[key]
    return model.model_fields[model.fields_by_key()[key]].description or ""


def _default(key: str) -> str:
    model = SCHEMA.keys[key]
    return _source(model.model_fields[model.fields_by_key()[key]].default)


def _comment(text: str, indent: int = 0) -> list[str]:
    mark = " " * indent + "# "
    return textwrap.wrap(
        text, 98, initial_indent=mark, subsequent_indent=mark, break_on_hyphens=False
    )


def _source(value: object) -> str:
    """The value as Python source."""
    if isinstance(value, list):
        return f"[{', '.join(map(_source, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_source(key)}: {_source(one)}' for key, one in value.items())}}}"
    if isinstance(value, str | IPv4Address | IPv6Address):
        return json.dumps(str(value), ensure_ascii=False)
    return repr(value)
