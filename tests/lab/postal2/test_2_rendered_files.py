"""Files of many settings, read by the programs they are for, on a host of the lab. One SSH call
for each host of a variant."""

import base64
import io
import os
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mailfleet.components.postal.settings import PostalSettings
from mailfleet.components.registry import COMPONENTS, SCHEMA
from mailfleet.converge.bundle import Bundle
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.fleet.load import load_fleet
from mailfleet.secrets.environment import variable
from tests.lab.console import ROOT, Operator
from tests.lab.hosts import Answer, Machine

_GIVEN = 'settings["caddy_tls"] = "given"\nsettings["postal_smtp_tls"] = "given"\n'
_SPLIT = """
postal1["host_private_ipv4"], postal2["host_private_ipv4"] = "10.9.0.1", "10.9.0.2"
mx1["host_private_ipv4"] = "10.9.0.3"
groups.update(
    postal=[], server=[], mailserver=[], database=["mx1"], caddy=["postal1"],
    postal_web=["postal1"], postal_smtp=["postal1"], postal_worker=["postal2"],
)
"""

VARIANTS = {
    "as in the lab": "",
    "certificates of Caddy's own CA": 'settings["caddy_tls"] = "internal"',
    "public ACME": "for key in list(settings):\n    if key.startswith('caddy_acme_') and "
    "key != 'caddy_acme_email': del settings[key]",
    "given certificates": _GIVEN,
    "no TLS for SMTP, no HSTS": 'settings.update(postal_smtp_tls="off", caddy_hsts_max_age=0)',
    "IP pools on the host's network": 'settings.update(postal_networking="host", '
    "postal_use_ip_pools=True, postal_smtp_ports=[25])",
    "several workers": "settings.update(postal_worker_replicas=3, postal_worker_threads=8)",
    "log drivers": "from mailfleet.components.postal.settings import LogDriver\n"
    'settings["postal_log_drivers"] = {"smtp": LogDriver(driver="syslog", '
    'options={"tag": "postal-smtp", "syslog-address": "unixgram:///dev/log"}), '
    '"worker": LogDriver(driver="gelf", options={"gelf-address": "udp://192.0.2.1:12201"})}\n'
    'settings.update(postal_gelf_host="graylog.lab.test", docker_log_driver="journald")',
    "OpenID Connect": 'settings.update(postal_oidc_issuer="https://id.lab.test/", '
    'postal_oidc_identifier="postal", postal_oidc_name="Sign in: \'us\' & \\"them\\"")',
    "relays and inspectors": "settings.update("
    'postal_relays=["smtp://relay.internet.test:587?ssl_mode=Auto"], '
    'postal_rspamd_host="rspamd.lab.test", postal_clamav_host="clamav.lab.test", '
    'postal_allowed_request_destinations=["10.0.0.0/8"], postal_max_message_mb=50)',
    "further keys": 'settings["postal_config"] = {"postal": {"default_spam_threshold": 6}}',
    "openings, sysctl, small host": "from mailfleet.components.access.settings import Opening\n"
    'settings["access_open"] = [Opening(port=9100, sources=("10.0.0.0/8", "fd00::/8"), '
    'reason="node exporter"), Opening(port=51820, protocol="udp")]\n'
    'settings.update(base_sysctl={"net.ipv4.ip_local_port_range": "20000 60000"}, '
    "base_unattended_upgrades=False, access_ssh_connections_per_minute=6)",
    "MTA-STS policies": "from mailfleet.dns.settings import MtaSts\n"
    'settings["dns_mta_sts"] = {"in.lab.test": MtaSts(served_by="postal1"), '
    '"rp.postal.lab.test": MtaSts(served_by="mx1", mode="enforce")}',
    "other host, database on the private network": _SPLIT,
}

# Programs that read a file, besides the checks that a deploy itself makes.
_READERS = {
    "/opt/caddy/compose.yaml": "docker compose -f {0} config -q",
    "/opt/mariadb/compose.yaml": "docker compose -f {0} config -q",
    "/opt/postal/compose.yaml": "docker compose -f {0} --profile tools config -q",
    "/etc/mailfleet/firewall.nft": "nft --check --file {0}",
    "/etc/chrony/chrony.conf": "chronyd -p -f {0}",
    "/etc/docker/daemon.json": "dockerd --validate --config-file {0}",
    "/opt/postal/bin/smtp-certificate": "sh -n {0}",
    "/usr/local/bin/postal": "sh -n {0}",
    "/etc/systemd/system/mailfleet-firewall.service": "systemd-analyze verify --man=no {0}",
    "/opt/postal/config/signing.key": "openssl rsa -check -noout -in {0}",
    # The image reads its own configuration, with Postal's types.
    "/opt/postal/config/postal.yml": "docker run --rm --network none --user 999:999 "
    "--cap-drop ALL --cap-add NET_BIND_SERVICE -v {1}/opt/postal/config:/config:ro {2} "
    "bundle exec ruby -ryaml -e '"
    'whole = YAML.safe_load_file("/config/postal.yml"); whole["version"] == 2 or abort "version"; '
    'whole.each {{ |group, values| group == "version" or values.is_a?(Hash) or abort group }}\'',
}


def _certificate(directory: Path) -> dict[str, str]:
    """A key and a certificate for every name, as an operator might have bought them."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=postal.lab.test"
    names = "subjectAltName=DNS:*.lab.test,DNS:*.postal.lab.test"
    arguments = [*command.split(), "-addext", names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(arguments, check=True, capture_output=True)
    return {"certificate": certificate.read_text(), "certificate_key": key.read_text()}


@pytest.fixture(scope="module")
def made_up_secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Values of secrets that no fleet uses."""
    directory = tmp_path_factory.mktemp("secrets")
    pair = _certificate(directory)
    values = {
        "postal/database_password": "with ' \" $ # : and \\ in it",
        "postal/rails_secret_key": "0f" * 64,
        "postal/signing_key": pair["certificate_key"],
        "postal/admin_password": "a test password",
        "postal/oidc_secret": "an $oidc: 'secret'",
    }
    for owner, name in (("caddy", ""), ("postal", "smtp_")):
        values |= {f"{owner}/{name}{part}": text for part, text in pair.items()}
    return {variable(name): value for name, value in values.items()}


def _archive(bundles: Iterable[Bundle]) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for bundle in bundles:
            for item in bundle.files:
                entry = tarfile.TarInfo(f".{item.path}")
                entry.size, entry.mode, entry.uid = len(item.content), item.mode, item.uid
                archive.addfile(entry, io.BytesIO(item.content))
    return base64.b64encode(buffer.getvalue()).decode()


def _script(bundles: list[Bundle], image: str) -> str:
    """Unpacks the files of a host, lets each reader read its own, and names those that refuse."""
    lines = [
        "stage=$(mktemp -d); trap 'rm -rf $stage' EXIT; failed=",
        f"base64 -d <<<'{_archive(bundles)}' | tar -x -p -C $stage; chmod 755 $stage",
        'try() { said=$(eval "$2" 2>&1 </dev/null) || { failed=1; echo "$1: $said"; }; }',
    ]
    for bundle in bundles:
        for check in bundle.checks:
            # A deploy asks only for what the bundle holds.
            if {item.path for item in bundle.files} & set(check.files):
                lines.append(shlex.join(["try", f"check: {check.consumer}", check.command]))
        for item in bundle.files:
            if reader := _READERS.get(item.path):
                command = reader.format(f"$stage{item.path}", "$stage", image)
                lines.append(shlex.join(["try", item.path, command]))
    return "\n".join([*lines, '[ -z "$failed" ]'])


Load = Callable[[str], Fleet]


@pytest.fixture(scope="module")
def ready(operator: Operator) -> Operator:
    """The operator of a host with the programs that every host has, and Docker for the others."""
    operator.deploy("--limit", "postal2", deploy="deploys/base.py").ok()
    return operator


@pytest.fixture
def load(
    ready: Operator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_up_secrets: dict[str, str],
) -> Load:
    """Loads the lab's fleet with other settings and made-up secrets."""

    def load(changes: str) -> Fleet:
        store = (
            'for _key in ("secrets_file", "secrets_identity"): del settings[_key]\n'
            'settings["secrets_backend"] = "environment"\n'
        )
        for name, value in made_up_secrets.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(ROOT)
        fleet = load_fleet(ready.variant(tmp_path, store + changes).inventory, SCHEMA)
        for use in fleet.secret_uses:
            if use.ref.generate and variable(use.ref.name) not in os.environ:
                monkeypatch.setenv(variable(use.ref.name), use.ref.generate())
        fleet.require_secrets()
        return fleet

    return load


def _ask(machine: Machine, fleet: Fleet, bundles: list[Bundle]) -> Answer:
    return machine.ask(
        _script(bundles, f"{fleet[PostalSettings].image}:{fleet[PostalSettings].version}")
    )


def _bundles(fleet: Fleet, host: Host) -> list[Bundle]:
    return [one.bundle(fleet, host) for one in COMPONENTS if one.bundle and one.on(fleet, host)]


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS.keys())
def test_every_program_accepts_its_file(postal2: Machine, load: Load, changes: str) -> None:
    fleet = load(changes)
    for host in fleet.hosts.values():
        answer = _ask(postal2, fleet, _bundles(fleet, host))
        assert answer.code == 0, f"{host.name}: {answer.output}{answer.error}"


def test_every_program_refuses_a_broken_file(postal2: Machine, load: Load) -> None:
    """Otherwise the test above would prove nothing."""
    fleet = load("")
    bundles = [
        replace(
            bundle,
            files=tuple(
                replace(item, content=b"{ broken: [\n") if item.path in _READERS else item
                for item in bundle.files
            ),
        )
        for bundle in _bundles(fleet, fleet.hosts["postal1"])
    ]
    answer = _ask(postal2, fleet, bundles)
    assert answer.code == 1
    refused = {line.partition(": ")[0] for line in answer.lines}
    # systemd only warns of a unit file that it cannot read.
    units = {path for path in _READERS if path.endswith(".service")}
    assert refused >= set(_READERS) - units, answer
