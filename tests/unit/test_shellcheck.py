"""All shell that hosts get, as it is rendered, checked by shellcheck."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mailfleet.checks.probe import Probe
from mailfleet.cli import main
from mailfleet.components.access import rollback
from mailfleet.components.registry import COMPONENTS
from mailfleet.converge import conditions, files, services
from mailfleet.converge.bundle import Bundle
from mailfleet.converge.observe import Observation
from mailfleet.converge.plan import file_changes
from mailfleet.converge.services import steps_of
from mailfleet.deploying.drift_checks import drift_checks
from mailfleet.fleet.fleet import Fleet, Host
from tests.unit.conftest import POSTAL, Write
from tests.unit.test_gates import _INVENTORY, _MX, _MX_INVENTORY

_UNKNOWN = Observation()
"""A host of which nothing is known yet: everything is deployed."""

_CADDY = f'{_MX}\nmailserver_tls = "caddy"\ncaddy_acme_email = "postmaster@example.com"\n'

_FLEETS = {
    "postal": (_INVENTORY, f'{POSTAL}\npostal_use_ip_pools = True\npostal_networking = "host"', ""),
    "mailserver": (f"{_MX_INVENTORY}caddy = [_mx]\n", POSTAL, _CADDY),
    "lmtp": (f"{_MX_INVENTORY}caddy = [_mx]\n", POSTAL, f'{_CADDY}mailserver_handoff = "lmtp"\n'),
}


def _of_bundle(bundle: Bundle) -> Iterator[tuple[str, str]]:
    for item in bundle.files:
        if item.content.startswith((b"#!/bin/sh", b"#!/bin/bash")):
            yield item.path, item.content.decode()
    if changes := file_changes(bundle, _UNKNOWN):
        yield "files", files._script(bundle, changes)
    if steps := steps_of(bundle, _UNKNOWN):
        yield "services", services._script(bundle, steps)
    for condition in bundle.conditions:
        yield condition.name, conditions._script(bundle.component, condition)
    yield from bundle.facts.items()
    for check in bundle.checks:
        yield check.consumer, f"export stage=/stage\n{check.command}"
    if bundle.component == "access":
        yield "change", rollback._change(bundle, steps_of(bundle, _UNKNOWN))
        yield "rollback", rollback._rollback(bundle)
        yield "keep", rollback._keep(bundle)


def _scripts(fleet: Fleet, host: Host) -> Iterator[tuple[str, str]]:
    components = [component for component in COMPONENTS if component.on(fleet, host)]
    bundles = {it.name: it.bundle(fleet, host) for it in components if it.bundle}
    for name, bundle in bundles.items():
        for title, text in _of_bundle(bundle):
            yield f"{name} {title}", text
    for component in components:
        for probe in component.probes(fleet, host) if component.probes else ():
            if isinstance(probe, Probe):
                yield f"{component.name} probe {probe.name}", probe.command
    for check in drift_checks(fleet, host, bundles):
        for number, command in enumerate(check.commands):
            yield f"{check.component} drift {check.name} {number}", command


@pytest.mark.parametrize("variant", _FLEETS)
def test_shellcheck_accepts_what_is_rendered(
    fleet_from: Write, tmp_path: Path, variant: str
) -> None:
    inventory, postal, mailserver = _FLEETS[variant]
    fleet = fleet_from(
        postal,
        inventory,
        all='secrets_identity = "identity.txt"',
        postal_worker=postal,
        mailserver=mailserver,
        email_api=mailserver,
    )
    made = CliRunner().invoke(main, ["secrets", "init", "inventories/test.py"])
    assert made.exit_code == 0, made.output
    if mailserver:
        given = CliRunner().invoke(
            main, ["secrets", "set", "inventories/test.py", "mailserver/app"], input="x" * 32
        )
        assert given.exit_code == 0, given.output
    directory = tmp_path / "scripts"
    directory.mkdir()
    for host in fleet.hosts.values():
        for title, text in _scripts(fleet, host):
            shebang = "" if text.startswith("#!") else "#!/bin/sh\n"
            (directory / f"{host.name} {title.replace('/', '_')}").write_text(shebang + text)
    assert len(list(directory.iterdir())) > 20
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [
            shellcheck,
            "--severity=warning",
            "--format=gcc",
            *sorted(file.name for file in directory.iterdir()),
        ],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == []
