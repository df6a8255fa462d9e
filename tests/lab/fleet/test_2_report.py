"""The page about the lab's fleet says what the hosts, DNS and the queues said, and no secret."""

from pathlib import Path

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.store import secret_values


def test_the_page_tells_of_every_host(
    deployed: Operator, lab: Lab, postal1: Machine, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    postal1.run("systemctl stop chrony")
    try:
        outcome = deployed.run(
            "mailfleet", "report", deployed.inventory, "-o", file, "--server", lab.resolver
        )
    finally:
        postal1.run("systemctl start chrony")
    assert outcome.code == 2, str(outcome)
    page = file.read_text()
    for name in ("postal1", "mx1", "postal2"):
        assert f"<h3>{name}</h3>" in page
        assert lab.hosts[name].address in page
    assert "chrony.service" in page
    assert "postal/worker" in page
    assert "Debian GNU/Linux 13" in page
    assert "Last deploy: 20" in page
    assert "lab.test" in page.partition('id="dns"')[2].partition("</section>")[0]
    certificates = page.partition('id="certificates"')[2].partition("</section>")[0]
    assert "chain of postal.lab.test from here" in certificates
    backups = page.partition('id="backups"')[2].partition("</section>")[0]
    for data in ("mariadb/mariadb", "volume mariadb_data", "/opt/caddy/data"):
        assert data in backups, data
    assert "PRIVATE KEY" not in page
    # Half of these keys is public, and stands in the DNS records that are missing.
    published = {"mailserver/dkim_key", "postal/signing_key"}
    for name, value in secret_values().items():
        if name in published:
            continue
        for line in value.splitlines():
            assert len(line) < 8 or line not in page, name
