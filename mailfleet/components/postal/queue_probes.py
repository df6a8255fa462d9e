"""Probes of Postal's queue and domains in its database: a queue can stall while every process
reports OK."""

from math import inf

from mailfleet.checks.probe import Limit, Probe
from mailfleet.checks.result import Level
from mailfleet.components.health.settings import HealthSettings
from mailfleet.components.mariadb.settings import CLIENT
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.templates import render_script

STALE_LOCK_MINUTES = 15
"""One attempt takes minutes at most; a lock older than this belongs to a worker that is gone."""

_TIMES_UNTIL_FAIL = 10


def _number(client: str, query: str, text: str) -> str:
    """Shell that measures one number by a query."""
    return f'number=$({client} -e "{query}") || exit 1\necho "measured $number"\necho "{text}"\n'


def queue_probes(settings: PostalSettings, health: HealthSettings) -> tuple[Probe, ...]:
    """Probes of the database host. Times in Postal's database are UTC."""
    client, database, prefix = CLIENT, settings.database_name, settings.database_prefix
    queued = f"{database}.queued_messages"
    due = "locked_at IS NULL AND (retry_after IS NULL OR retry_after <= UTC_TIMESTAMP())"
    stale = f"locked_at < UTC_TIMESTAMP() - INTERVAL {STALE_LOCK_MINUTES} MINUTE"
    waits = (
        "SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, COALESCE(retry_after, created_at), "
        f"UTC_TIMESTAMP())), 0) FROM {queued} WHERE {due}"
    )
    # Where no task was ever planned, since the table is there: the first run of a worker's tasks
    # thread plans them all. Below zero: the next one is yet to come.
    overdue = (
        "SELECT GREATEST(COALESCE(MAX(TIMESTAMPDIFF(SECOND, next_run_after, UTC_TIMESTAMP())), "
        "(SELECT TIMESTAMPDIFF(SECOND, create_time, NOW()) FROM information_schema.tables "
        f"WHERE table_schema = '{database}' AND table_name = 'scheduled_tasks')), 0), COUNT(*) "
        f"FROM {database}.scheduled_tasks"
    )
    return (
        Probe(
            "queue",
            _number(client, f"SELECT COUNT(*) FROM {queued}", "$number in the queue"),
            "read the answers of remote servers in `postal logs worker`",
            limit=Limit(health.queue_messages, health.queue_messages * _TIMES_UNTIL_FAIL),
        ),
        Probe(
            "oldest message",
            _number(client, waits, "$number s since the oldest one was due"),
            "workers do not take messages: `postal logs worker`, `postal restart worker`",
            limit=Limit(300, 1800, " s"),
        ),
        Probe(
            "stale locks",
            _number(client, f"SELECT COUNT(*) FROM {queued} WHERE {stale}", "$number stale locks"),
            "a worker died while it sent: the runbook on Postal shows how to release them",
            limit=Limit(1, 10),
        ),
        Probe(
            "held messages",
            render_script("postal/probes/held-messages.sh", CLIENT=client, PREFIX=prefix),
            "find the reason in Postal's web interface, then release or delete them; where "
            "suppressed addresses are the reason, clear up the list of recipients or raise "
            "health_held_messages",
            limit=Limit(health.held_messages, health.held_messages * _TIMES_UNTIL_FAIL),
        ),
        Probe(
            "scheduled tasks",
            f'row=$({client} -e "{overdue}") || exit 1; set -- $row; echo "measured $1"; '
            '[ "$2" = 0 ] && echo "none was ever planned, in $1 s" || '
            'echo "the latest one is $1 s overdue"',
            "no worker holds the role `tasks`: `postal restart worker`",
            limit=Limit(900, 7200, " s"),
        ),
        Probe(
            "sending domains",
            render_script("postal/probes/sending-domains.sh", CLIENT=client, DATABASE=database),
            "`mailfleet dns check INVENTORY` shows what to publish; then let Postal check the "
            "domain in its web interface",
            level=Level.FULL,
            limit=Limit(1, inf),
        ),
    )
