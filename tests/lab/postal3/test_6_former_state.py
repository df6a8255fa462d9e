"""What is put back after a deploy that failed, and what a later one finds left to do."""

from pathlib import Path

from tests.lab.console import Operator
from tests.lab.hosts import Machine

_HEALTHY = "postal status | grep -c '(healthy)'"


def test_a_unit_that_came_with_a_failed_change_goes_with_it(
    restored: Operator, postal3: Machine, tmp_path: Path
) -> None:
    without = restored.variant(tmp_path / "without", 'settings["postal_smtp_tls"] = "off"')
    without.deploy().ok()
    assert postal3.ask("systemctl cat postal-certificate.timer").code != 0

    broken = restored.variant(tmp_path / "broken", 'settings["postal_version"] = "3.3.99"')
    outcome = broken.deploy()
    assert outcome.code == 1, str(outcome)
    assert "rolled back postal: previous files restored, services healthy" in outcome.screen, str(
        outcome
    )
    assert postal3.run(_HEALTHY) == "3"
    assert postal3.ask("systemctl cat postal-certificate.timer").code != 0
    assert postal3.run("systemctl list-timers --all --no-legend 'postal-certificate*'") == ""


def test_a_full_disk_leaves_nothing_to_do_for_the_former_description(
    restored: Operator, postal3: Machine, tmp_path: Path
) -> None:
    config = "/opt/postal/config"
    renamed = restored.variant(tmp_path, 'settings["postal_from_name"] = "Another name"')
    # The directory again, on a file system that has room for nothing more.
    postal3.run(
        f"set -e; cp -a {config} /root/config-copy; mount -t tmpfs -o size=64k none {config}; "
        f"chmod 750 {config}; chgrp 999 {config}; cp -a /root/config-copy/. {config}/; "
        f"dd if=/dev/zero of={config}/fill bs=4k 2>/dev/null || true"
    )
    try:
        renamed.deploy().refused("could not write", "nothing was changed")
    finally:
        postal3.run(f"umount {config}; rm -r /root/config-copy")
    assert restored.dry().ok().planned == {}
    assert postal3.run("ls /var/lib/mailfleet/pending") == ""


def test_a_certificate_whose_restart_failed_is_served_by_the_next_run(
    restored: Operator, postal3: Machine
) -> None:
    """The files are Caddy's; what the server began with is another certificate."""
    script, tls = "/opt/postal/bin/smtp-certificate", "/opt/postal/config/tls"
    serial = "openssl x509 -noout -serial"
    served = (
        f"openssl s_client -connect 127.0.0.1:25 -starttls smtp </dev/null 2>/dev/null | {serial}"
    )
    postal3.run(
        f"set -e; cd {tls}; cp -a smtp.cert smtp.key /root/; "
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=another -keyout /root/another.key -out /root/another.cert 2>/dev/null; "
        "cat /root/another.cert >smtp.cert; cat /root/another.key >smtp.key; "
        "docker compose --project-directory /opt/postal restart smtp; "
        "docker compose --project-directory /opt/postal up --detach --wait smtp; "
        # Postal reads the files when the first client asks for TLS.
        f"{served}; "
        "cp -a /root/smtp.cert /root/smtp.key .; rm /root/smtp.* /root/another.*"
    )
    assert postal3.run(f"{script} status") == "stale"
    assert restored.dry().ok().planned == {"postal3": {"postal | SMTP certificate and port"}}
    restored.deploy().ok()
    assert postal3.run(served) == postal3.run(f"{serial} <{tls}/smtp.cert")
    assert restored.dry().ok().planned == {}
