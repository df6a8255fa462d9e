"""Health probes of MariaDB: queries, start, binary log, connections, tables, replication."""

from mailfleet.checks.probe import Level, Limit, Probe
from mailfleet.components.mariadb.settings import CLIENT, SQL
from mailfleet.components.postal.settings import PostalSettings
from mailfleet.fleet.fleet import Fleet, Host

# Postal manual, "MariaDB": existing tables must have the row format DYNAMIC.
_OLD_ROW_FORMATS = f"""
tables=$({CLIENT} -e "SELECT name FROM information_schema.innodb_sys_tables
    WHERE row_format IN ('Compact', 'Redundant') AND name LIKE '%/%'
    AND name NOT LIKE 'mysql/%' AND name NOT LIKE 'sys/%'") || exit 1
[ -z "$tables" ] && echo 'as Postal needs it' || {{ echo "not DYNAMIC:" $tables; exit 80; }}
"""


def _raw_tables(prefix: str) -> str:
    """Postal manual, "MariaDB": those of a database of version 1 may have a smaller type."""
    return f"""
tables=$({CLIENT} -e "SELECT CONCAT(table_schema, '.', table_name, ' ', data_type)
    FROM information_schema.columns WHERE table_schema LIKE '{prefix}-server-%'
    AND table_name LIKE 'raw-%' AND column_name = 'data' AND data_type <> 'longblob'") || exit 1
[ -z "$tables" ] && echo 'messages are LONGBLOB' || {{ echo "not LONGBLOB:" $tables; exit 80; }}
"""


# Of a server that is no replica nothing is told. NULL: it does not replicate.
_REPLICATION = f"""
state=$({CLIENT.replace(" --batch --skip-column-names", "")} --vertical \\
    -e 'SHOW ALL SLAVES STATUS') || exit 1
echo "$state" | awk -F': ' '
    /^ *Seconds_Behind_Master:/ {{
        replicas++
        if ($2 == "NULL") stopped = 1
        else if ($2 > behind) behind = $2
    }}
    /^ *Last_(IO|SQL)_Error: ./ {{ sub(/^[^:]*: /, ""); error = $0 }}
    END {{
        print "measured " behind + 0
        if (stopped) print "does not replicate" (error ? ": " error : "")
        else if (replicas) print "replicates, " behind + 0 " s behind"
        else print "no replica of another server"
        exit stopped
    }}'
"""


# The server's own start: from where it reads its options, which UPTIME counts from, to where it
# binds its socket, which it does when InnoDB has recovered. So the first set-up of the data and
# upgrades, which the image does before, are no part of it, and a rotated log does not matter.
_START = f"""
answer=$(docker exec -i mariadb sh <<'END'
socket=/run/mysqld/mysqld.sock
[ -S $socket ] || exec echo starting
stat --format %Y $socket && {SQL} -e "SELECT UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED)
    FROM information_schema.global_status WHERE variable_name = 'UPTIME'"
END
) || exit 1
set -- $answer
now=$(date +%s)
if [ "$1" = starting ]; then
    took=$((now - $(date -d "$(docker inspect --format '{{{{.State.StartedAt}}}}' mariadb)" +%s)))
    echo "measured $took"
    echo "not ready $took s after its start: $(docker logs --tail 1 mariadb 2>&1)"
else
    took=$(($1 > $2 ? $1 - $2 : 0))
    echo "measured $((now - $1 < 86400 ? took : 0))"
    echo "ready $took s after its start at $(date -u -d "@$2" +%FT%TZ)"
fi
"""


def probes(fleet: Fleet, host: Host) -> tuple[Probe, ...]:
    """What healthy means for this component, asked on the host."""
    settings = fleet[PostalSettings]
    return (
        Probe(
            "queries",
            f"version=$({CLIENT} -e 'SELECT VERSION()') && echo \"answers, $version\"",
            "read `docker logs mariadb`",
        ),
        Probe(
            "start",
            _START,
            "read in `docker logs mariadb` what took so long: let a recovery of InnoDB end, "
            "look at the disk otherwise",
            # A clean start takes seconds. From two minutes on Docker calls it unhealthy
            # (start_period), and a deploy soon gives up.
            limit=Limit(30, 120, " s"),
        ),
        Probe(
            "binary log",
            f"state=$({CLIENT} -e 'SELECT @@log_bin, @@gtid_strict_mode') || exit 1; "
            'echo "log_bin and gtid_strict_mode: $state"; [ "$(echo $state)" = "1 1" ]',
            "deploy again: a later move needs it",
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
            _OLD_ROW_FORMATS,
            "`ALTER TABLE ... ROW_FORMAT=DYNAMIC`: Postal's migrations fail otherwise",
            level=Level.FULL,
        ),
        Probe(
            "raw tables",
            _raw_tables(settings.database_prefix),
            "`ALTER TABLE ... MODIFY data LONGBLOB`: a message that is larger is cut or refused",
            level=Level.FULL,
        ),
        Probe(
            "replication",
            _REPLICATION,
            "read `SHOW ALL REPLICAS STATUS`: until it runs, a move loses what is written here",
            limit=Limit(60, 3600, " s"),
        ),
    )
