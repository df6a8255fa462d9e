"""Health probes of MariaDB: queries, start, binary log, connections, tables, replication."""

from mailfleet.checks.probe import Limit, Probe
from mailfleet.checks.result import Level
from mailfleet.components.mariadb.settings import CLIENT
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.fleet.fleet import Fleet, Host
from mailfleet.templates import render_script


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """Health probes of this component, run on the host."""
    settings = fleet[PostalSettings]
    return (
        Probe(
            "queries",
            f"version=$({CLIENT} -e 'SELECT VERSION()') && echo \"answers, $version\"",
            "read `docker logs mariadb`",
        ),
        Probe(
            "start",
            render_script("mariadb/probes/start.sh"),
            "find in `docker logs mariadb` what took so long: let a recovery of InnoDB end, "
            "otherwise check the disk",
            # A clean start takes seconds. From two minutes on Docker calls it unhealthy
            # (start_period), and a deploy soon gives up.
            limit=Limit(30, 120, " s"),
        ),
        Probe(
            "binary log",
            f"state=$({CLIENT} -e 'SELECT @@log_bin, @@gtid_strict_mode') || exit 1; "
            'echo "log_bin and gtid_strict_mode: $state"; [ "$(echo $state)" = "1 1" ]',
            "deploy again: replication and a later move need it",
        ),
        Probe(
            "connections",
            "used=$(" + CLIENT + ' -e "SELECT ROUND(100 * variable_value / @@max_connections) '
            "FROM information_schema.global_status WHERE variable_name = 'THREADS_CONNECTED'\")"
            ' || exit 1; echo "measured $used"; echo "$used% of max_connections in use"',
            "find who holds them with `SHOW PROCESSLIST`, or raise mariadb_max_connections",
            limit=Limit(80, 95, "%"),
        ),
        Probe(
            "row format",
            render_script("mariadb/probes/row-format.sh", CLIENT=CLIENT),
            "`ALTER TABLE ... ROW_FORMAT=DYNAMIC`: Postal's migrations fail otherwise",
            level=Level.FULL,
        ),
        Probe(
            "raw tables",
            render_script(
                "mariadb/probes/raw-tables.sh", CLIENT=CLIENT, PREFIX=settings.database_prefix
            ),
            "`ALTER TABLE ... MODIFY data LONGBLOB`: a larger message is cut or rejected",
            level=Level.FULL,
        ),
        Probe(
            "replication",
            render_script("mariadb/probes/replication.sh"),
            "read `SHOW ALL REPLICAS STATUS`: until it runs, a move loses what is written here",
            limit=Limit(60, 3600, " s"),
        ),
    )
