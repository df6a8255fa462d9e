#!/bin/sh
# Waits for every host:port of WAIT_FOR_TARGETS, WAIT_FOR_TIMEOUT seconds each
# (30), then becomes the command. A target written as a URL is never reached:
# the public image cannot either, having no wget, and says so in the same way.
set -u

reachable() {
    case $1 in
        http://*|https://*) return 1 ;;
    esac
    host=${1%%:*} port=${1#*:}
    if [ -z "$host" ] || [ -z "$port" ] || [ "$port" = "$1" ]; then
        echo "TCP target $1 is not in \"<host>:<port>\" format" >&2
        exit 2
    fi
    nc -z -w1 "$host" "${port%%:*}" >/dev/null 2>&1
}

for target in ${WAIT_FOR_TARGETS:-}; do
    waited=0
    until reachable "$target"; do
        [ "$waited" -gt 0 ] && printf . || printf 'Waiting for %s  .' "$target"
        waited=$((waited + 1))
        if [ "$waited" -ge "${WAIT_FOR_TIMEOUT:-30}" ]; then
            echo "  FAIL"
            echo "ERROR: unable to connect to: $target" >&2
            exit 1
        fi
        sleep 1
    done
    [ "$waited" -gt 0 ] && echo "  up!"
done

exec "$@"
