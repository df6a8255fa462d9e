"""What hosts are asked about a message: shell that changes nothing."""

import shlex
from collections.abc import Sequence

from mailfleet.checks.run_parallel import IF_DOCKER_RUNS
from mailfleet.components.email_api.settings import EmailApiSettings
from mailfleet.components.postal.settings import PostalSettings, postal_hosts
from mailfleet.diagnose.application import FAILURES, MAIL
from mailfleet.fleet.fleet import Fleet, Host

HOURS = 72
"""How far logs are read back."""

_CLIENT = "docker exec -i mariadb mariadb --user=root --batch --skip-column-names --raw"
_OURS = ("caddy", "email-api", "mailserver", "mariadb", "postal")
_MESSAGES = 10
_LINES = 50

# A pipe ends with the exit status of its last command, so who is asked has to answer before.
_DOCKER_ANSWERS = "docker ps --quiet >/dev/null || exit; "
# A host that runs no Docker runs no application in a container.
_IF_DOCKER_RUNS = f"{IF_DOCKER_RUNS}{_DOCKER_ANSWERS}"
_PROJECT = '{{.Label "com.docker.compose.project"}}'


def questions(fleet: Fleet, host: Host, to: str, message_id: str | None) -> dict[str, str]:
    """Name -> shell, which fails where who is asked cannot answer."""
    found = {"redirects": _redirects(), "applications": _applications(to)}
    if host.has("database") and postal_hosts(fleet):
        found["postal"] = postal(fleet[PostalSettings], [to, *_mailboxes(fleet, to)], message_id)
    if host.has("postal_smtp"):
        found["logins"] = _refused_logins()
        found["listening"] = "ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -u"
    if host.has("mailserver"):
        found["postfix"] = (
            "docker exec mailserver true || exit; "
            "docker exec mailserver sh -c 'cat /var/log/mail/mail.log.1 /var/log/mail/mail.log' "
            f"2>/dev/null | grep -F -i -- {shlex.quote(f'to=<{to}>')} | tail -n {_LINES}"
        )
    if host.has("email_api"):
        found["api"] = (
            "docker inspect email-api >/dev/null || exit; "
            f"docker logs --since {HOURS}h email-api 2>&1 | "
            f"grep -F -i -- {shlex.quote(to)} | tail -n {_LINES}"
        )
    return found


def postal_names(fleet: Fleet) -> frozenset[str]:
    """Names under which the fleet's own Postal takes mail."""
    servers = fleet.with_role("postal_smtp")
    return frozenset(name for one in servers for name in (one.fqdn, one[PostalSettings].smtp_name))


def _mailboxes(fleet: Fleet, to: str) -> list[str]:
    """Where an e-mail API forwards mail for an alias by way of this Postal."""
    return [
        mailbox
        for host in fleet.with_role("email_api")
        if host[EmailApiSettings].relay_host in postal_names(fleet)
        for mailbox in host[EmailApiSettings].aliases.get(
            to.lower(), host[EmailApiSettings].aliases.get("@" + to.lower().rpartition("@")[2], [])
        )
    ]


def _sql(text: str) -> str:
    """A literal that needs no quotes, whatever is in it; it takes the collation of its column."""
    return f"_utf8mb4 X'{text.encode().hex()}'"


def postal(settings: PostalSettings, to: Sequence[str], message_id: str | None) -> str:
    """Shell that prints a JSON object for each of the last messages to some recipients, and for
    each reason to send them none."""
    queue, prefix = f"`{settings.database_name}`.queued_messages", settings.database_prefix
    recipients = ", ".join(_sql(one) for one in to)
    where = f"m.rcpt_to IN ({recipients})"
    if message_id:
        where += f" AND m.message_id = {_sql(message_id.strip().strip('<>'))}"
    attempts = (
        "(SELECT JSON_ARRAYAGG(JSON_OBJECT('at', d.timestamp, 'status', d.status, 'output', "
        "d.output, 'details', d.details) ORDER BY d.id) FROM `DATABASE`.deliveries d "
        "WHERE d.message_id = m.id)"
    )
    messages = (
        "SELECT JSON_OBJECT('server', SERVER, 'id', m.id, 'at', m.timestamp, 'sender', "
        "m.mail_from, 'recipient', m.rcpt_to, 'message_id', m.message_id, "
        f"'status', m.status, 'attempts', {attempts}, 'queued', q.id IS NOT NULL, "
        "'locked', TIMESTAMPDIFF(SECOND, q.locked_at, UTC_TIMESTAMP()), 'due', "
        "TIMESTAMPDIFF(SECOND, COALESCE(q.retry_after, q.created_at), UTC_TIMESTAMP())) "
        f"FROM `DATABASE`.messages m LEFT JOIN {queue} q ON q.server_id = SERVER "
        f"AND q.message_id = m.id WHERE {where} ORDER BY m.id DESC LIMIT {_MESSAGES * len(to)};"
    )
    suppressed = (
        "SELECT JSON_OBJECT('suppressed', reason) FROM `DATABASE`.suppressions WHERE "
        f"type = 'recipient' AND address IN ({recipients}) AND keep_until > UNIX_TIMESTAMP();"
    )
    literal = f"{messages} {suppressed}".replace("'", "''")
    make = (
        f"SELECT REPLACE(REPLACE('{literal}', 'DATABASE', schema_name), 'SERVER', "
        f"SUBSTRING(schema_name, {len(prefix) + len('-server-') + 1})) "
        f"FROM information_schema.schemata WHERE schema_name LIKE '{prefix}-server-%';"
    )
    return f"{_CLIENT} <<'END' | {_CLIENT}\n{make}\nEND"


def _redirects() -> str:
    """`CONTAINER|TIME NAME=VALUE` of settings that send all mail elsewhere, since the container was
    started: their value is an address, neither a URL nor a switch."""
    return (
        f"{_IF_DOCKER_RUNS}docker ps --format '{{{{.Names}}}}' | while read -r name; do "
        "docker inspect --format '{{$at := .State.StartedAt}}{{range .Config.Env}}{{$at}} "
        '{{println .}}{{end}}\' "$name" | '
        "grep -E '^[^ ]+ [A-Z_]*E?MAIL_(REDIRECT|OVERRIDE)[A-Z_]*=[^/:]+@' | "
        'sed "s/^/$name|/"; done'
    )


def _applications(to: str) -> str:
    """`CONTAINER|TIME LINE` of containers that are not mailfleet's: failures of mail, and whatever
    names the recipient."""
    ours, recipient = "|".join(_OURS), shlex.quote(_escaped(to))
    return (
        f"{_IF_DOCKER_RUNS}docker ps --format '{{{{.Names}}}}|{_PROJECT}' | "
        f"grep -v -E '[|]({ours})$' | cut -d'|' -f1 | while read -r name; do "
        f'docker logs --timestamps --since {HOURS}h "$name" 2>&1 | '
        f"grep -a -i -E -e {shlex.quote(FAILURES)} -e {recipient} | "
        f"grep -a -i -E -e {shlex.quote(MAIL)} -e {recipient} | "
        f'tail -n {_LINES} | sed "s/^/$name|/"; done'
    )


def _escaped(text: str) -> str:
    """For grep -E."""
    return "".join(one if one.isalnum() or one in "@_-" else f"[{one}]" for one in text).replace(
        "[^]", r"\^"
    )


def _refused_logins() -> str:
    """`CONTAINER|TIME LINE` of Postal's SMTP server."""
    label = "--filter label=com.docker.compose"
    return (
        f"{_DOCKER_ANSWERS}docker ps --format '{{{{.Names}}}}' {label}.project=postal "
        f"{label}.service=smtp | while read -r name; do "
        'docker logs --timestamps --since 1h "$name" 2>&1 | '
        f'awk {shlex.quote(_FAILED_LOGINS)} | tail -n 5 | sed "s/^/$name|/"; done'
    )


# Postal says the same of whoever wants to send without a login, as the probes of health do to see
# that they may not: what is answered with 530 there was no login.
_FAILED_LOGINS = """
match($0, /trace_id=[A-Z0-9]+/) { session = substr($0, RSTART, RLENGTH) }
/=> 530 / { without[session] = 1 }
/Authentication failure/ { lines[++count] = $0; of[count] = session }
END { for (i = 1; i <= count; i++) if (!(of[i] in without)) print lines[i] }
"""
