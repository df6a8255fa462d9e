"""The host's own record of who changed what, and one change at a time."""

import subprocess
from pathlib import Path

from mailfleet.components.mariadb.settings import CLIENT
from mailfleet.components.postal.operations import admin_record
from tests.lab.console import Operator
from tests.lab.hosts import Machine, until

_LOG = "/var/log/mailfleet.log"


def _steps(machine: Machine, after: int) -> set[str]:
    lines = machine.run(f"tail -n +{after + 1} {_LOG}").splitlines()
    return {line.split(": ", 1)[1] for line in lines}


def test_every_kind_of_change_is_in_the_log_without_a_secret(
    restored: Operator, postal1: Machine, tmp_path: Path
) -> None:
    changes = 'settings["base_packages"] = ["hello"]\nsettings["postal_admin_email"] = "b@lab.test"'
    more = restored.variant(tmp_path, changes)
    postal1.run(
        "sysctl -q -w net.ipv4.tcp_syncookies=0; rm /var/lib/mailfleet/applied/postal/schema; "
        f"{CLIENT} -e \"REVOKE ALL PRIVILEGES ON \\`postal-%\\`.* FROM postal@'%'\" </dev/null; "
        "sed -i s/max-age=[0-9]*/max-age=5/ /opt/caddy/etc/Caddyfile"
    )
    before = int(postal1.run(f"wc -l <{_LOG}"))
    try:
        more.deploy().ok()
        assert {
            "packages of base",
            "kernel settings of base",
            "files of caddy",
            "services of caddy",
            "database user of postal",
            "database schema of postal",
            "first admin user of postal",
        } <= _steps(postal1, before)
        assert postal1.run(f"stat -c %a {_LOG}") == "600"
    finally:
        postal1.run(
            "apt-get purge -q -y hello; "
            f"{CLIENT} postal <<< \"DELETE FROM users WHERE email_address = 'b@lab.test'\"; "
            f"rm -f /var/lib/mailfleet/applied/postal/{admin_record('b@lab.test')}"
        )


def test_a_deploy_waits_for_whoever_changes_the_host(restored: Operator, postal1: Machine) -> None:
    """The lock is let go only once the deploy was seen to wait for it."""
    postal1.run("sysctl -q -w net.ipv4.tcp_syncookies=0")
    lock = "/var/lib/mailfleet/lock"
    holder = subprocess.Popen(
        postal1.ssh(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdin.write(
        f"exec 9<>{lock}; flock 9; echo held; until [ -e /run/let-go ]; do sleep 0.1; done"
    )
    holder.stdin.close()
    assert holder.stdout.readline() == "held\n"
    deploy = restored.start("pyinfra", "-y", restored.inventory, "deploys/postal.py")
    try:
        until(lambda: postal1.ask("pgrep -f '^flock .*--timeout'").code == 0, "the deploy waits")
        assert postal1.run("sysctl -n net.ipv4.tcp_syncookies") == "0"
    finally:
        postal1.run("touch /run/let-go")
        holder.wait()
        output, _ = deploy.communicate()
        postal1.run("rm /run/let-go")
    assert postal1.run("sysctl -n net.ipv4.tcp_syncookies") == "1", output
