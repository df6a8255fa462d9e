"""Postal's queue, asked of its database: a queue can stand still while every process says OK."""

from mailfleet.health.probe import Limit, Probe

STALE_LOCK_MINUTES = 15
"""One attempt takes minutes at most; a lock older than this belongs to a worker that is gone."""

# Held messages are in a database for each mail server.
_HELD = """
total=0
for name in $({client} -e "SELECT schema_name FROM information_schema.schemata
        WHERE schema_name LIKE '{pattern}'"); do
    count=$({client} -e "SELECT COUNT(*) FROM \\`$name\\`.messages WHERE held = 1") || exit 1
    total=$((total + count))
done
echo "measured $total"
echo "$total held"
"""


def _number(client: str, query: str, said: str) -> str:
    """Shell that measures one number by a query."""
    return f'number=$({client} -e "{query}") || exit 1\necho "measured $number"\necho "{said}"\n'


def queue_probes(client: str, database: str, prefix: str) -> tuple[Probe, ...]:
    """`client` is the command that takes `-e QUERY`. Times in Postal's database are UTC."""
    queued = f"{database}.queued_messages"
    due = "locked_at IS NULL AND (retry_after IS NULL OR retry_after <= UTC_TIMESTAMP())"
    stale = f"locked_at < UTC_TIMESTAMP() - INTERVAL {STALE_LOCK_MINUTES} MINUTE"
    waits = (
        "SELECT COALESCE(MAX(TIMESTAMPDIFF(SECOND, COALESCE(retry_after, created_at), "
        f"UTC_TIMESTAMP())), 0) FROM {queued} WHERE {due}"
    )
    return (
        Probe(
            "queue",
            _number(client, f"SELECT COUNT(*) FROM {queued}", "$number in the queue"),
            "read `postal logs worker`: what do the remote servers answer?",
            limit=Limit(1000, 10_000),
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
            "a worker died while it sent: the runbook on Postal tells how to release them",
            limit=Limit(1, 10),
        ),
        Probe(
            "held messages",
            _HELD.format(client=client, pattern=f"{prefix}-server-%"),
            "look at the messages in Postal's web interface: release or delete them",
            limit=Limit(1, 1000),
        ),
        Probe(
            "scheduled tasks",
            _number(
                client,
                # Below zero: the next one is yet to come.
                "SELECT GREATEST(COALESCE(MAX(TIMESTAMPDIFF(SECOND, next_run_after, "
                "UTC_TIMESTAMP())), 0), 0) "
                f"FROM {database}.scheduled_tasks",
                "the latest one is $number s overdue",
            ),
            "no worker holds the role `tasks`: `postal restart worker`",
            limit=Limit(900, 7200, " s"),
        ),
    )
