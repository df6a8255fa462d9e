"""Postal in service: pages, certificates, mail, its database and its commands on the host."""

import json
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from lab.state import Lab
from tests.lab.console import Operator
from tests.lab.hosts import Machine, NotInTimeError, until
from tests.lab.mail import MailServer, arrived, provision, wait_for
from tests.lab.store import secret_values
from tests.lab.web import https, lab_context, plain_http, smtp_greeting


def test_the_login_page_comes_over_https(deployed: Operator, lab: Lab) -> None:
    page = https(lab, "postal.lab.test", "/login")
    assert page.status == 200
    assert 'name="email_address"' in page.text
    assert page.headers["strict-transport-security"] == "max-age=31536000"


def test_plain_http_leads_to_https(deployed: Operator, lab: Lab) -> None:
    page = plain_http(lab, "postal.lab.test", "/login")
    assert (page.status, page.headers["location"]) == (308, "https://postal.lab.test/login")


def test_pages_are_compressed(deployed: Operator, lab: Lab) -> None:
    page = https(lab, "postal.lab.test", "/login", headers={"Accept-Encoding": "gzip"})
    assert page.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("name", ["track.lab.test", "click.lab.test"])
def test_tracking_domains_answer(deployed: Operator, lab: Lab, name: str) -> None:
    assert https(lab, name).text.strip() == "Hello."


def test_names_that_nobody_asked_for_get_no_certificate(deployed: Operator, lab: Lab) -> None:
    with pytest.raises(ssl.SSLError):
        https(lab, "postal1.lab.test")


def test_the_admin_endpoint_of_caddy_is_not_on_the_network(
    deployed: Operator, postal1: Machine
) -> None:
    assert postal1.ask("curl -sS --max-time 5 http://127.0.0.1:2019/config/").code != 0
    listening = postal1.run("ss -Hltnp | grep caddy")
    assert {line.split()[3].rpartition(":")[2] for line in listening.splitlines()} == {"80", "443"}


def test_visits_are_in_the_log_of_caddy_with_their_address(
    deployed: Operator, lab: Lab, postal1: Machine
) -> None:
    https(lab, "postal.lab.test", "/login?from=the-lab-tests")

    def logged() -> list[str]:
        return postal1.run("docker logs --tail 50 caddy 2>/dev/null | grep the-lab-tests").split(
            "\n"
        )

    entry = json.loads(until(logged, "the visit is logged")[-1])
    own = lab.hosts["postal1"].address.rpartition(".")[0]
    assert entry["request"]["remote_ip"].startswith(own)


def test_the_admin_user_can_log_in(deployed: Operator, lab: Lab) -> None:
    form = https(lab, "postal.lab.test", "/login")
    token = re.search(r'name="authenticity_token" value="([^"]+)"', form.text)
    assert token is not None
    fields = {
        "authenticity_token": token[1],
        "email_address": "admin@lab.test",
        "password": secret_values()["postal/admin_password"],
    }
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": form.headers["set-cookie"].partition(";")[0],
    }
    answer = https(lab, "postal.lab.test", "/login", "POST", urlencode(fields), headers)
    assert answer.status == 302, answer
    assert "postal.lab.test" in answer.headers["location"]
    wrong = {**fields, "password": "wrong"}
    assert https(lab, "postal.lab.test", "/login", "POST", urlencode(wrong), headers).status == 200


@pytest.fixture(scope="module")
def mail_server(deployed: Operator, lab: Lab, postal1: Machine) -> MailServer:
    return provision(lab, postal1)


def _serial(lab: Lab, port: int) -> str:
    with smtplib.SMTP(timeout=20) as session:
        session._host = "mx.postal.lab.test"  # type: ignore[attr-defined]
        session.connect(lab.hosts["postal1"].address, port)
        session.starttls(context=lab_context(lab))
        assert isinstance(session.sock, ssl.SSLSocket)
        certificate = session.sock.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])


def test_starttls_presents_the_acme_certificate_on_every_port(deployed: Operator, lab: Lab) -> None:
    assert smtp_greeting(lab).startswith("220 mx.postal.lab.test ESMTP")
    assert _serial(lab, 25) == _serial(lab, 2525)


def test_mail_with_a_password_is_delivered(
    mail_server: MailServer, internet1: Machine, lab: Lab
) -> None:
    message = wait_for(internet1, mail_server.send("someone@internet.test"))
    assert "DKIM-Signature:" in message
    assert re.search(rf"Received: from postal1\.lab\.test.*{lab.hosts['postal1'].address}", message)


def test_mail_without_a_password_is_refused(mail_server: MailServer) -> None:
    with mail_server.session() as session:
        session.mail("test@lab.test")
        code, _ = session.rcpt("someone@internet.test")
        assert code >= 500
        with pytest.raises(smtplib.SMTPAuthenticationError):
            session.login("lab-tests/lab-tests", "wrong")


@pytest.fixture
def slow_receiver(internet1: Machine) -> Iterator[str]:
    """An address outside whose server thinks for a while before it takes a message."""
    internet1.run(
        "cp /etc/postfix/answers /etc/postfix/answers.kept; "
        "echo 'slow@internet.test sleep 8' >>/etc/postfix/answers; postfix reload"
    )
    yield "slow@internet.test"
    internet1.run("mv /etc/postfix/answers.kept /etc/postfix/answers; postfix reload")


def test_a_worker_that_is_stopped_finishes_what_it_is_sending(
    mail_server: MailServer, postal1: Machine, internet1: Machine, slow_receiver: str
) -> None:
    subject = mail_server.send(slow_receiver)
    locked = "SELECT COUNT(*) FROM postal.queued_messages WHERE locked_at IS NOT NULL"
    sql = f'docker exec mariadb mariadb --user=root -N -e "{locked}"'
    until(lambda: postal1.run(sql) == "1", "the worker has the message in hand")

    postal1.run("postal stop worker 2>&1")
    worker = "$(docker ps -aq -f label=com.docker.compose.service=worker)"
    assert postal1.run(f"docker inspect -f '{{{{.State.ExitCode}}}}' {worker}") == "0"
    assert len(arrived(internet1, subject)) == 1

    postal1.run("postal start worker 2>&1")
    later = mail_server.send("someone@internet.test")
    wait_for(internet1, later)
    assert len(arrived(internet1, subject)) == 1


def test_a_renewed_certificate_reaches_the_wire(
    deployed: Operator, lab: Lab, postal1: Machine
) -> None:
    former = _serial(lab, 25)
    held = "/opt/caddy/data/caddy/certificates/*/mx.postal.lab.test"
    postal1.run(f"rm -r {held}; docker restart -t 20 caddy")
    # Caddy tries again after one minute, and then after two.
    try:
        until(lambda: postal1.ask(f"ls {held}/*.crt").code == 0, "Caddy has a certificate", 400)
    except NotInTimeError:
        pytest.fail(postal1.run("docker logs --tail 40 caddy 2>&1"))
    assert postal1.run("/opt/postal/bin/smtp-certificate status") == "stale"
    assert deployed.dry().ok().planned == {"postal1": {"postal | SMTP certificate and port"}}

    # What the timer runs.
    postal1.run("systemctl start postal-certificate.service")
    assert postal1.run("/opt/postal/bin/smtp-certificate status") == "current"
    assert _serial(lab, 25) == _serial(lab, 2525) != former
    assert deployed.dry().ok().planned == {}


def test_the_timer_looks_after_the_certificate(deployed: Operator, postal1: Machine) -> None:
    assert postal1.run("systemctl is-active postal-certificate.timer") == "active"
    assert postal1.run("systemctl is-enabled postal-certificate.timer") == "enabled"


def _as_postal(postal1: Machine, statement: str) -> tuple[int, str]:
    password = secret_values()["postal/database_password"]
    answer = postal1.ask(
        f"MYSQL_PWD={password} docker exec -e MYSQL_PWD mariadb mariadb --protocol=tcp "
        f'--host=127.0.0.1 --skip-ssl --user=postal -N -e "{statement}"'
    )
    return answer.code, answer.output + answer.error


def test_postal_s_database_user_has_rights_on_postal_only(
    deployed: Operator, postal1: Machine
) -> None:
    for statement in (
        "SELECT COUNT(*) FROM postal.users",
        "CREATE DATABASE \\`postal-probe\\`; DROP DATABASE \\`postal-probe\\`",
    ):
        code, said = _as_postal(postal1, statement)
        assert code == 0, said
    for statement in (
        "CREATE DATABASE other",
        "CREATE DATABASE postalx",
        "SELECT COUNT(*) FROM mysql.user",
        "CREATE USER other@localhost",
        "SET GLOBAL max_connections = 10",
        "SHUTDOWN",
        "SELECT LOAD_FILE('/etc/passwd') INTO OUTFILE '/tmp/x'",
    ):
        code, said = _as_postal(postal1, statement)
        assert code != 0, statement
        assert "denied" in said, said


def test_root_logs_in_by_socket_only(deployed: Operator, postal1: Machine) -> None:
    root = "docker exec mariadb mariadb --user=root"
    assert postal1.run(f"{root} -N -e 'SELECT CURRENT_USER()'") == "root@localhost"
    for options in ("--protocol=tcp --host=127.0.0.1", "--protocol=tcp --host=mariadb"):
        assert "denied" in postal1.ask(f"{root} --skip-ssl {options} -e 'SELECT 1'").error
    accounts = postal1.run(
        f"{root} -N -e \"SELECT CONCAT(user, '@', host) FROM mysql.global_priv "
        "WHERE user NOT IN ('healthcheck', 'mariadb.sys', 'mysql', 'PUBLIC') ORDER BY 1\""
    )
    assert accounts.split() == ["postal@%", "root@localhost"]


def test_the_database_is_ready_for_a_move(deployed: Operator, postal1: Machine) -> None:
    variables = {
        "log_bin": "1",
        "gtid_strict_mode": "1",
        "binlog_format": "ROW",
        "innodb_default_row_format": "dynamic",
        "character_set_server": "utf8mb4",
        "innodb_log_file_size": str(140 * 2**20),
        "max_allowed_packet": str(64 * 2**20),
    }
    select = ", ".join(f"@@{name}" for name in variables)
    answer = postal1.run(f'docker exec mariadb mariadb --user=root -N -e "SELECT {select}"')
    assert dict(zip(variables, answer.split("\t"), strict=True)) == variables
    formats = postal1.run(
        'docker exec mariadb mariadb --user=root -N -e "SELECT DISTINCT row_format FROM '
        "information_schema.tables WHERE table_schema LIKE 'postal%' AND engine = 'InnoDB'\""
    )
    assert formats.split() == ["Dynamic"]
    assert postal1.run("docker port mariadb") == ""


def test_message_databases_without_their_main_database_are_not_dropped(
    deployed: Operator, mail_server: MailServer, postal1: Machine, lab: Lab, tmp_path: Path
) -> None:
    other = deployed.variant(tmp_path, 'settings["postal_database_name"] = "postal_two"')
    database = f"postal-server-{mail_server.number}"
    for outcome in (other.dry(), other.deploy()):
        outcome.refused("message databases without a mail server", database)
    # Before anything was changed.
    assert deployed.dry().ok().planned == {}
    assert https(lab, "postal.lab.test", "/login").status == 200
    tables = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database}'"
    count = postal1.run(f'docker exec mariadb mariadb --user=root -N -e "{tables}"')
    assert int(count) > 5


def test_each_process_has_least_rights(deployed: Operator, postal1: Machine) -> None:
    for process in ("web", "smtp", "worker"):
        one = postal1.run(f"docker ps -q -f label=com.docker.compose.service={process}")
        (found,) = json.loads(postal1.run(f"docker inspect {one}"))
        host = found["HostConfig"]
        assert found["Config"]["User"] == "999:999"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["LogConfig"]["Type"] == "local"


def test_commands_of_the_manual(deployed: Operator, postal1: Machine) -> None:
    assert postal1.run("postal version") == "3.3.7"
    assert postal1.run("postal status | grep -c '(healthy)'") == "3"
    key = postal1.run(
        "openssl rsa -in /opt/postal/config/signing.key -pubout -outform DER | base64 -w0"
    )
    assert f"p={key}" in postal1.run("postal default-dkim-record")
    unknown = postal1.ask("postal frobnicate")
    assert unknown.code == 2
    assert "no command frobnicate" in unknown.error
    assert postal1.ask("postal").code == 2
    managed = postal1.ask("postal upgrade")
    assert managed.code == 2
    assert "a deploy does this" in managed.error
    user = postal1.ask("su -s /bin/sh nobody -c 'postal status'")
    assert "run it as root" in user.error


def test_a_test_message_that_is_not_sent_fails_the_command(
    deployed: Operator, postal1: Machine
) -> None:
    # Nothing answers on port 25 of the container that sends it; Postal itself exits 0.
    answer = postal1.ask("postal test-app-smtp someone@internet.test")
    assert "Connection refused" in answer.output
    assert answer.code == 1
