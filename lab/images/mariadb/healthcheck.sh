#!/bin/bash
# healthcheck.sh TEST...: succeeds when every test named does. Options before a
# test change how the tests after them connect. See README.md for the list.
set -uo pipefail

datadir=/var/lib/mysql
account=()        # client options that say who connects
channel=''        # name of the replication channel, empty for the default one
lag_limit=''

use_datadir() {
    [[ -r $datadir/.my-healthcheck.cnf ]] && account=(--defaults-extra-file="$datadir/.my-healthcheck.cnf")
}

ask() { mariadb ${account[@]+"${account[@]}"} --skip-ssl-verify-server-cert --batch --skip-column-names -e "$1"; }

# Over TCP on purpose: the temporary server of a first start has no networking,
# so that a half-initialised instance is not taken for a healthy one. A refusal
# of the account is an answer of a running server as well.
test_connect() {
    local said
    said=$(mariadb ${account[@]+"${account[@]}"} --skip-ssl-verify-server-cert -h 127.0.0.1 --protocol tcp \
        --connect-timeout=5 --batch --skip-column-names -e 'SELECT @@skip_networking' 2>&1) && [[ $said == 0 ]] && return
    [[ $said == *'Access denied'* ]]
}

test_innodb_initialized()         { [[ $(ask "SELECT 1 FROM information_schema.ENGINES WHERE engine = 'InnoDB' AND support IN ('YES', 'DEFAULT', 'ENABLED')") == 1 ]]; }
test_innodb_buffer_pool_loaded()  { [[ $(ask "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Innodb_buffer_pool_load_status'") =~ complete|^$ ]]; }
test_mariadbupgrade()             { [[ -r $datadir/mariadb_upgrade_info || -r $datadir/mysql_upgrade_info ]]; }

replica_status() {
    mariadb ${account[@]+"${account[@]}"} --skip-ssl-verify-server-cert --batch -e "SHOW REPLICA ${channel:+'$channel' }STATUS\\G" |
        sed -nE "s/^ *$1: (.*)/\\1/p" | head -n 1
}
test_replication_io()  { [[ $(replica_status Slave_IO_Running) == Yes ]]; }
test_replication_sql() { [[ $(replica_status Slave_SQL_Running) == Yes ]]; }
test_replication_lag() {
    local seconds; seconds=$(replica_status Seconds_Behind_Master)
    [[ $seconds =~ ^[0-9]+$ ]] && (( seconds <= lag_limit ))
}
test_replication()     { test_replication_io && test_replication_sql; }

run() { "test_$1" || { echo "healthcheck $1 failed" >&2; exit 1; }; }

(( $# )) || { echo "healthcheck.sh: no test named" >&2; exit 1; }
use_datadir
for word in "$@"; do
    case $word in
        --connect|--innodb_initialized|--innodb_buffer_pool_loaded|--mariadbupgrade|\
        --replication|--replication_io|--replication_sql) run "${word#--}" ;;
        --replication_seconds_behind_master=*)            lag_limit=${word#*=}; run replication_lag ;;
        --replication_name=*)                             channel=${word#*=} ;;
        --datadir=*)                                      datadir=${word#*=}; use_datadir ;;
        --defaults-file=*|--defaults-extra-file=*)        account=("$word") ;;
        --no-defaults|--no-connect)                       account=() ;;
        --su-mysql)                                       [[ $(id -u) == 0 ]] && exec gosu mysql "$0" "${@/--su-mysql/--datadir=$datadir}" ;;
        --su=*)                                           exec gosu "${word#*=}" "$0" "${@/$word/--datadir=$datadir}" ;;
        *)                                                echo "healthcheck.sh: unknown test $word" >&2; exit 1 ;;
    esac
done
