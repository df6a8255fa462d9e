# shellcheck shell=sh
# Seconds_Behind_Master is NULL where replication is stopped. A server that is no replica has no rows.
state=$(docker exec -i mariadb mariadb --user=root --vertical -e 'SHOW ALL SLAVES STATUS') || exit 1
echo "$state" | awk -F': ' '
    /^ *Seconds_Behind_Master:/ {
        replicas++
        if ($2 == "NULL") stopped = 1
        else if ($2 > behind) behind = $2
    }
    /^ *Last_(IO|SQL)_Error: ./ { sub(/^[^:]*: /, ""); error = $0 }
    END {
        print "measured " behind + 0
        if (stopped) print "does not replicate" (error ? ": " error : "")
        else if (replicas) print "replicates, " behind + 0 " s behind"
        else print "no replica of another server"
        exit stopped
    }'
