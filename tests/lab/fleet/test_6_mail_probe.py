"""The end-to-end probe: what was sent through each way is found in a mailbox outside."""

from pathlib import Path

import pytest

from lab.state import Lab
from tests.lab.console import Operator, Outcome
from tests.lab.hosts import Machine
from tests.lab.mail import arrived, provision, runner

_API_KEY = """
credential = Server.find_by(permalink: "lab-tests").credentials
  .find_or_initialize_by(name: "probe", type: "API")
credential.save!
puts "key=#{credential.key}"
"""

_SETTINGS = """
settings |= {{
    "health_ca_file": {ca_file!r},
    "health_mailbox": "inbox@internet.test",
    "health_imap_host": "127.0.0.1",
    "health_imap_port": {port},
    "health_imap_user": "inbox",
    "health_imap_password": _lab["secret"]("health/imap-lab", lambda: "inbox"),
    "health_mail_from": "probe@lab.test",
    "health_smtp_key": _lab["secret"]("health/smtp-{smtp_name}", lambda: {smtp!r}),
    "health_api_key": _lab["secret"]("health/api-{api_name}", lambda: {api!r}),
    "health_mail_alias": "sales@in.lab.test",
}}
"""


@pytest.fixture(scope="module")
def probing(
    lab: Lab, deployed: Operator, postal1: Machine, tmp_path_factory: pytest.TempPathFactory
) -> Operator:
    """The operator of a fleet whose every way is probed."""
    deployed.deploy("--limit", "mx1", deploy="deploys/mailserver.py").ok()
    smtp = provision(lab, postal1).key
    api = runner(postal1, _API_KEY).splitlines()[-1].removeprefix("key=")
    directory = tmp_path_factory.mktemp("probing")
    # The sites' certificates and the mailbox's are of two authorities here.
    ca_file = directory / "ca.pem"
    ca_file.write_text(lab.acme_root_file.read_text() + lab.ca_file.read_text())
    changes = _SETTINGS.format(
        ca_file=str(ca_file),
        port=lab.hosts["internet1"].ports["993"],
        smtp=smtp,
        smtp_name=smtp[:8].lower(),
        api=api,
        api_name=api[:8].lower(),
    )
    found = deployed.variant(directory, changes)
    found.run("mailfleet", "secrets", "init", found.inventory).ok()
    return found


def _mail(operator: Operator) -> tuple[Outcome, dict[str, dict[str, str]]]:
    outcome = operator.run_json("mailfleet", "health", operator.inventory, "--mail", "--json")
    assert outcome.data, outcome
    return outcome, {one["name"]: one for one in outcome.data if "mail by" in one["name"]}


def test_mail_comes_through_on_every_way(probing: Operator, internet1: Machine, lab: Lab) -> None:
    _, found = _mail(probing)
    for name, hop in (("SMTP", "postal"), ("API", "postal"), ("alias", "mx1.lab.test")):
        one = found[f"mail by {name}"]
        assert one["status"] == "ok", one
        assert hop in one["message"], one
        assert "mx.internet.test" in one["message"], one
        results = found[f"authentication of mail by {name}"]["message"]
        assert "spf=pass" in results, results
        # No key is published until an operator does it.
        assert "dkim=" in results and "dmarc=" in results, results
    # Nothing of it stays behind.
    assert arrived(internet1, "Subject: mailfleet probe") == []


def test_a_way_that_is_closed_is_named(probing: Operator, tmp_path: Path) -> None:
    """Wrong credentials: of the API's and of SMTP's, each told by its own probe."""
    changes = 'settings["health_smtp_key"] = _lab["secret"]("health/wrong", lambda: "not-the-key")'
    wrong = probing.variant(tmp_path, f'{changes}\ndel settings["health_mail_alias"]')
    wrong.run("mailfleet", "secrets", "init", wrong.inventory).ok()
    outcome, found = _mail(wrong)
    assert found["mail by SMTP"]["status"] == "fail"
    assert "535" in found["mail by SMTP"]["message"]
    assert found["mail by API"]["status"] == "ok"
    assert "mailfleet diagnose INVENTORY --to" in found["mail by SMTP"]["remedy"]
    assert "not-the-key" not in outcome.screen + str(outcome.data)
