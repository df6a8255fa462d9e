"""The e-mail API on a host: deployed as described, it forwards what it is given."""

import uuid
from pathlib import Path

import pytest

from tests.lab.console import Operator
from tests.lab.hosts import Machine
from tests.lab.mail import wait_for

DEPLOY = "deploys/email_api.py"
_POST = """docker exec -i email-api python -c '
import ssl, sys, urllib.request
context = ssl.create_default_context(cadata=open("/run/email-api/certificate.pem").read())
request = urllib.request.Request(
    "https://email-api/v1/email",
    data=sys.stdin.buffer.read(),
    headers={{
        "Authorization": "Bearer " + open("/run/email-api/psk").read().split()[0],
        "X-Queue-Id": "{queue_id}",
        "X-Envelope-Sender": "author@internet.test",
        "X-Envelope-Recipient": "{recipient}",
    }},
)
print(urllib.request.urlopen(request, context=context).status)
' <<'END'
Subject: {queue_id}

Hello.
END"""


@pytest.fixture(scope="module")
def api(operator: Operator) -> Operator:
    """The operator of a deployed API."""
    operator.deploy(deploy=DEPLOY).ok()
    return operator


def _post(mx1: Machine, recipient: str) -> str:
    mark = f"Q{uuid.uuid4().hex[:12]}"
    assert mx1.run(_POST.format(queue_id=mark, recipient=recipient)) == "202"
    return mark


def test_a_second_run_changes_nothing(api: Operator) -> None:
    assert api.dry("--diff", deploy=DEPLOY).ok().planned == {}
    again = api.deploy(deploy=DEPLOY).ok()
    assert again.changed == {}, again


def test_it_is_healthy(api: Operator) -> None:
    # The host's other components may not be there yet.
    outcome = api.run("mailfleet", "health", api.inventory, "--role", "email_api")
    ours = [line.split() for line in outcome.screen.splitlines() if " email_api: " in line]
    assert ours and {line[1] for line in ours} == {"ok"}, outcome


def test_a_message_is_forwarded(api: Operator, mx1: Machine, internet1: Machine) -> None:
    mark = _post(mx1, "sales@in.lab.test")
    message = wait_for(internet1, mark)
    assert message.startswith("Return-Path: <SRS0=")
    assert "X-Forwarded-To: inbox@internet.test" in message


def test_aliases_follow_the_settings(api: Operator, mx1: Machine, tmp_path: Path) -> None:
    more = 'settings["email_api_aliases"]["new@in.lab.test"] = ["inbox@internet.test"]'
    changed = api.variant(tmp_path, more)
    # The host looks at them by itself: it has a digest of what is described.
    steps = {"email_api | files", "email_api | aliases"}
    assert changed.dry(deploy=DEPLOY).ok().planned == {"mx1": steps}
    assert changed.deploy(deploy=DEPLOY).ok().changed == {"mx1": steps}
    _post(mx1, "new@in.lab.test")
    drift = api.run_json("mailfleet", "drift", api.inventory, DEPLOY, "--json")
    found = [(it["kind"], it["name"]) for host in drift.data["hosts"] for it in host["findings"]]
    assert found == [("alias", "aliases")], drift.data
    api.deploy(deploy=DEPLOY).ok()
    refused = mx1.ask(_POST.format(queue_id="Q404", recipient="new@in.lab.test"))
    assert "HTTP Error 404" in refused.error


def test_a_rotated_password_reaches_the_database(
    api: Operator, mx1: Machine, tmp_path: Path
) -> None:
    """One that exists was made with the former password, and its image looks at it only once."""
    other = """
from mailfleet.secrets import generate, secret
settings["email_api_database_password"] = secret(
    "email_api/database_password_of_a_test", generate.password(32)
)
"""
    changed = api.variant(tmp_path, other)
    changed.run("mailfleet", "secrets", "init", changed.inventory).ok()
    steps = {f"email_api | {step}" for step in ("files", "database password", "services")}
    assert changed.dry(deploy=DEPLOY).ok().planned == {"mx1": steps}
    for operator in (changed, api):
        assert operator.deploy(deploy=DEPLOY).ok().changed == {"mx1": steps}
        _post(mx1, "sales@in.lab.test")
    assert api.dry(deploy=DEPLOY).ok().planned == {}


def test_it_runs_without_rights(api: Operator, mx1: Machine) -> None:
    assert mx1.run("docker exec email-api id -u") == "10001"
    assert mx1.ask("docker exec email-api touch /srv/x").code != 0
    secrets = mx1.run("find /opt/email-api/secrets -type f -perm /077")
    assert secrets == ""
    assert "Bearer" not in mx1.run("docker logs email-api 2>&1")
