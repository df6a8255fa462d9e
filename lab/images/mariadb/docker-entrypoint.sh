#!/bin/bash
# Start-up contract of the mariadb image: prepare the data directory once, run
# the files of /docker-entrypoint-initdb.d against a server that only its own
# socket can reach, then become mariadbd. See README.md for the variables.
set -euo pipefail
shopt -s nullglob

say()  { printf '%s [%s] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$1" "$2"; }
note() { say Note "$*"; }
warn() { say Warn "$*" >&2; }
die()  { say ERROR "$*" >&2; exit 1; }

# ---------------------------------------------------------------- environment

# setting NAME [DEFAULT]: sets MARIADB_NAME from itself, from the file that
# MARIADB_NAME_FILE names, or from the older MYSQL_NAME pair, in that order.
setting() {
    local name=$1 value='' prefix direct file
    for prefix in MARIADB MYSQL; do
        direct="${prefix}_${name}" file="${prefix}_${name}_FILE"
        if [[ -n ${!direct:-} && -n ${!file:-} ]]; then
            die "$direct and $file exclude each other, and both are set"
        fi
        [[ -n $value ]] && continue
        if [[ -n ${!direct:-} ]]; then
            value=${!direct}
        elif [[ -n ${!file:-} ]]; then
            [[ -r ${!file} ]] || die "$file names ${!file}, which cannot be read"
            value=$(<"${!file}")
        fi
    done
    export "MARIADB_$name=${value:-${2:-}}"
    unset "MARIADB_${name}_FILE" "MYSQL_${name}_FILE"
}

load_settings() {
    MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-${MYSQL_ALLOW_EMPTY_PASSWORD:-}}
    setting RANDOM_ROOT_PASSWORD
    setting ROOT_PASSWORD
    setting ROOT_PASSWORD_HASH
    setting ROOT_HOST %
    setting DATABASE
    setting USER
    setting PASSWORD
    setting PASSWORD_HASH
    setting INITDB_SKIP_TZINFO
    setting REPLICATION_USER
    setting REPLICATION_PASSWORD
    setting REPLICATION_PASSWORD_HASH
    setting MASTER_HOST
    setting MASTER_PORT 3306
    MARIADB_AUTO_UPGRADE=${MARIADB_AUTO_UPGRADE:-}
    MARIADB_DISABLE_UPGRADE_BACKUP=${MARIADB_DISABLE_UPGRADE_BACKUP:-}
    MARIADB_HEALTHCHECK_GRANTS=${MARIADB_HEALTHCHECK_GRANTS:-USAGE}
}

# The server itself says which data directory and socket its options amount to.
# log-bin-index points elsewhere so that asking never touches the real index.
server_variable() {
    local wanted=$1; shift
    "$@" --verbose --help --log-bin-index="$(mktemp -u)" 2>/dev/null |
        awk -v name="$wanted" '$1 == name && /^[^ \t]/ && !found { sub(/^[^ \t]+[ \t]+/, ""); value = $0; found = 1 } END { print value }'
}

check_options() {
    local said
    said=$("$@" --verbose --help --log-bin-index="$(mktemp -u)" 2>&1 >/dev/null) ||
        die "mariadbd refuses its options: $* : $said"
}

# ---------------------------------------------------------------- own server

ROOT_AUTH=''   # password of root@localhost, once there is one

sql() { # sql [client options]: statements on standard input, as root over the socket
    MYSQL_PWD=$ROOT_AUTH mariadb --protocol=socket --socket="$SOCKET" -uroot \
        --skip-ssl --binary-mode --comments "$@"
}

# The name that scripts sourced from /docker-entrypoint-initdb.d call.
docker_process_sql() {
    [[ ${1:-} == --dont-use-mysql-root-password ]] && shift
    if [[ -n $MARIADB_DATABASE ]]; then set -- --database="$MARIADB_DATABASE" "$@"; fi
    sql "$@"
}

own_server_start() {
    note "Starting a server without networking"
    "$@" --skip-networking --socket="$SOCKET" --skip-slave-start --wsrep-on=OFF \
        --expire-logs-days=0 --loose-innodb-buffer-pool-load-at-startup=0 &
    OWN_SERVER=$!
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        if sql --database=mysql <<<'SELECT 1' &>/dev/null; then
            note "The temporary server answers"
            return
        fi
        kill -0 "$OWN_SERVER" 2>/dev/null || die "The temporary server ended before it answered."
        sleep 0.1
    done
    die "The temporary server did not answer within 30 seconds."
}

own_server_stop() {
    note "Stopping the temporary server"
    kill "$OWN_SERVER"
    wait "$OWN_SERVER" || die "The temporary server did not stop cleanly."
}

quoted() { # an SQL string literal
    local text=${1//\\/\\\\}
    text=${text//$'\n'/\\n}
    printf "'%s'" "${text//\'/\\\'}"
}

identified() { # identified PASSWORD HASH
    if [[ -n $2 ]]; then
        printf 'IDENTIFIED BY PASSWORD %s' "$(quoted "$2")"
    else
        printf 'IDENTIFIED BY %s' "$(quoted "$1")"
    fi
}

random_word() { tr -dc 'A-Za-z0-9' < <(head -c 512 /dev/urandom) | cut -c "1-$1"; }

# ---------------------------------------------------------------- first start

prepare_directories() {
    mkdir -p "$DATADIR"
    [[ $(id -u) == 0 ]] || return 0
    find "$DATADIR" \! -user mysql -exec chown mysql: '{}' +
    find "${SOCKET%/*}" -maxdepth 0 \! -user mysql -exec chown mysql: '{}' +
}

healthcheck_accounts() {
    local word host
    word=$(random_word 32)
    for host in 127.0.0.1 ::1 localhost; do
        printf 'CREATE OR REPLACE USER healthcheck@%s IDENTIFIED BY %s;\n' "$(quoted "$host")" "$(quoted "$word")"
        printf 'GRANT %s ON *.* TO healthcheck@%s;\n' "$MARIADB_HEALTHCHECK_GRANTS" "$(quoted "$host")"
    done
    (umask 077; printf '[mariadb-client]\nport=%s\nsocket=%s\nuser=healthcheck\npassword=%s\n' \
        "$PORT" "$SOCKET" "$word" > "$DATADIR/.my-healthcheck.cnf")
}

load_time_zones() {
    [[ -z $MARIADB_INITDB_SKIP_TZINFO ]] || return 0
    mariadb-tzinfo-to-sql --skip-write-binlog /usr/share/zoneinfo 2>/dev/null | sql --database=mysql
}

create_accounts() {
    if [[ -n $MARIADB_RANDOM_ROOT_PASSWORD ]]; then
        MARIADB_ROOT_PASSWORD=$(random_word 32)
        note "GENERATED ROOT PASSWORD: $MARIADB_ROOT_PASSWORD"
    fi
    local root; root=$(identified "$MARIADB_ROOT_PASSWORD" "$MARIADB_ROOT_PASSWORD_HASH")
    {
        # Accounts of this instance are no business of replicas.
        echo "SET @@SESSION.SQL_LOG_BIN=0;"
        echo "SET @@SESSION.SQL_MODE=REPLACE(@@SESSION.SQL_MODE, 'NO_BACKSLASH_ESCAPES', '');"
        echo "DROP DATABASE IF EXISTS test;"
        echo "DELETE FROM mysql.global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');"
        echo "DELETE FROM mysql.proxies_priv WHERE Host <> 'localhost';"
        echo "FLUSH PRIVILEGES;"
        healthcheck_accounts
        if [[ -n $MARIADB_ROOT_HOST && $MARIADB_ROOT_HOST != localhost ]]; then
            echo "CREATE USER root@$(quoted "$MARIADB_ROOT_HOST") $root;"
            echo "GRANT ALL ON *.* TO root@$(quoted "$MARIADB_ROOT_HOST") WITH GRANT OPTION;"
        fi
        if [[ -n $MARIADB_REPLICATION_USER && -z $MARIADB_MASTER_HOST ]]; then
            echo "CREATE USER $(quoted "$MARIADB_REPLICATION_USER")@'%'" \
                "$(identified "$MARIADB_REPLICATION_PASSWORD" "$MARIADB_REPLICATION_PASSWORD_HASH");"
            echo "GRANT REPLICATION REPLICA ON *.* TO $(quoted "$MARIADB_REPLICATION_USER")@'%';"
        fi
        echo "ALTER USER root@localhost $root;"
    } | sql --database=mysql
    ROOT_AUTH=$MARIADB_ROOT_PASSWORD

    if [[ -n $MARIADB_DATABASE ]]; then
        note "Database $MARIADB_DATABASE"
        sql <<<"CREATE DATABASE IF NOT EXISTS \`$MARIADB_DATABASE\`"
    fi
    if [[ -n $MARIADB_USER && -n $MARIADB_PASSWORD$MARIADB_PASSWORD_HASH ]]; then
        note "User $MARIADB_USER"
        sql <<<"CREATE USER $(quoted "$MARIADB_USER")@'%' $(identified "$MARIADB_PASSWORD" "$MARIADB_PASSWORD_HASH")"
        if [[ -n $MARIADB_DATABASE ]]; then
            note "User $MARIADB_USER may use database $MARIADB_DATABASE"
            sql <<<"GRANT ALL ON \`${MARIADB_DATABASE//_/\\_}\`.* TO $(quoted "$MARIADB_USER")@'%'"
        fi
    fi
    if [[ -n $MARIADB_MASTER_HOST ]]; then
        note "Pointing replication at $MARIADB_MASTER_HOST:$MARIADB_MASTER_PORT"
        sql <<<"CHANGE MASTER TO MASTER_HOST=$(quoted "$MARIADB_MASTER_HOST"), MASTER_PORT=$MARIADB_MASTER_PORT,
            MASTER_USER=$(quoted "$MARIADB_REPLICATION_USER"), MASTER_PASSWORD=$(quoted "$MARIADB_REPLICATION_PASSWORD"),
            MASTER_CONNECT_RETRY=10"
    fi
}

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh)
                if [[ -x $file ]]; then
                    note "$0: running $file"; "$file"
                else
                    note "$0: sourcing $file"
                    # shellcheck disable=SC1090
                    . "$file"
                fi ;;
            *.sql)     note "$0: running $file"; docker_process_sql < "$file" ;;
            *.sql.gz)  note "$0: running $file"; gzip -dc "$file" | docker_process_sql ;;
            *.sql.xz)  note "$0: running $file"; xz -dc "$file" | docker_process_sql ;;
            *.sql.zst) note "$0: running $file"; zstd -dc "$file" | docker_process_sql ;;
            *)         warn "$0: ignoring $file" ;;
        esac
    done
}

first_start() {
    if [[ -z $MARIADB_ROOT_PASSWORD$MARIADB_ROOT_PASSWORD_HASH$MARIADB_ALLOW_EMPTY_ROOT_PASSWORD$MARIADB_RANDOM_ROOT_PASSWORD ]]; then
        die "$DATADIR is empty and nothing says what root's password shall be: set MARIADB_ROOT_PASSWORD, MARIADB_ROOT_PASSWORD_HASH, MARIADB_RANDOM_ROOT_PASSWORD or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD"
    fi
    ls /docker-entrypoint-initdb.d/ >/dev/null

    note "Making the system tables"
    mariadb-install-db --datadir="$DATADIR" --auth-root-authentication-method=normal \
        --skip-test-db --skip-name-resolve "${@:2}" >/dev/null

    own_server_start "$@"
    load_time_zones
    create_accounts
    run_init_files
    own_server_stop
    note "First start done, ready to serve."
}

# ---------------------------------------------------------------- later starts

upgrade_if_asked() {
    local have want
    have=$(cut -d- -f1 "$DATADIR/mariadb_upgrade_info" 2>/dev/null || cut -d- -f1 "$DATADIR/mysql_upgrade_info" 2>/dev/null || true)
    want=$(mariadbd --version | sed -E 's/.*Ver ([0-9.]+).*/\1/')
    if [[ ${have%.*} == "${want%.*}" ]]; then
        note "System tables are up to date"
        return
    fi
    if [[ -z $MARIADB_AUTO_UPGRADE ]]; then
        note "System tables are of ${have:-an unknown version}, the server is $want; MARIADB_AUTO_UPGRADE is not set, so they stay"
        return
    fi
    note "Upgrading system tables from ${have:-an unknown version} to $want"
    ROOT_AUTH=$MARIADB_ROOT_PASSWORD
    own_server_start "$@" --skip-grant-tables
    if [[ -z $MARIADB_DISABLE_UPGRADE_BACKUP ]]; then
        note "Saving the old ones as system_mysql_backup_${have:-unknown}.sql.zst"
        mariadb-dump --socket="$SOCKET" --skip-ssl --databases mysql --single-transaction |
            zstd -q -f -o "$DATADIR/system_mysql_backup_${have:-unknown}.sql.zst"
    fi
    mariadb-upgrade --socket="$SOCKET" --skip-ssl --upgrade-system-tables
    { echo "SET @@SESSION.SQL_LOG_BIN=0; FLUSH PRIVILEGES;"; healthcheck_accounts; } | sql --database=mysql
    own_server_stop
}

# ---------------------------------------------------------------- main

wants_only_text() {
    local word
    for word in "$@"; do
        case $word in -'?'|--help|--print-defaults|-V|--version) return 0 ;; esac
    done
    return 1
}

main() {
    [[ ${1:-} == -* ]] && set -- mariadbd "$@"
    if [[ ${1:-} == mariadbd || ${1:-} == mysqld ]] && ! wants_only_text "$@"; then
        set -- mariadbd "${@:2}"
        note "MariaDB $(mariadbd --version | sed -E 's/.*Ver ([^ ]+).*/\1/') starts"
        if [[ $(id -u) == 0 ]]; then
            DATADIR=$(server_variable datadir "$@") SOCKET=$(server_variable socket "$@")
            prepare_directories
            note "Continuing as user mysql"
            exec gosu mysql "$0" "$@"
        fi
        check_options "$@"
        DATADIR=$(server_variable datadir "$@") SOCKET=$(server_variable socket "$@") PORT=$(server_variable port "$@")
        prepare_directories
        load_settings
        if [[ -d $DATADIR/mysql ]]; then
            upgrade_if_asked "$@"
        else
            first_start "$@"
        fi
    fi
    exec "$@"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
