# shellcheck shell=sh
# How long the server took to start: from where it reads its options, which UPTIME counts from, to
# where it binds its socket, after InnoDB has recovered. The first set-up of the data and upgrades,
# which the image does before, are not part of it, and a rotated log does not matter.
answer=$(docker exec -i mariadb sh <<'END'
socket=/run/mysqld/mysqld.sock
[ -S $socket ] || exec echo starting
stat --format %Y $socket && mariadb --user=root --batch --skip-column-names -e \
    "SELECT UNIX_TIMESTAMP() - CAST(variable_value AS SIGNED)
    FROM information_schema.global_status WHERE variable_name = 'UPTIME'"
END
) || exit 1
# shellcheck disable=SC2086  # Two words: when the socket was bound, and when the server started.
set -- $answer
now=$(date +%s)
if [ "$1" = starting ]; then
    took=$((now - $(date -d "$(docker inspect --format '{{.State.StartedAt}}' mariadb)" +%s)))
    echo "measured $took"
    echo "not ready $took s after its start: $(docker logs --tail 1 mariadb 2>&1)"
else
    took=$(($1 > $2 ? $1 - $2 : 0))
    echo "measured $((now - $1 < 86400 ? took : 0))"
    echo "ready $took s after its start at $(date -u -d "@$2" +%FT%TZ)"
fi
