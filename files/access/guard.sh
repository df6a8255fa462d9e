# shellcheck shell=sh
# Functions of a change to the ways into a host: note the units as they are, and start the timer of
# the rollback.
# Variables: state, component (prelude.sh).
: "${state:?}" "${component:?}"
# shellcheck disable=SC2034  # The caller writes to it.
before=$state/rollback-$component.units

# was UNIT IS_EFFECTIVE: print what makes the unit as it is now.
was() {
    systemctl is-active --quiet "$1" && { [ -z "$2" ] || [ "$(eval "$2")" = yes ]; } ||
        echo "stop $1"
    systemctl is-enabled --quiet "$1" 2>/dev/null || echo "disable $1"
}

# arm TIMER SECONDS: run the script on standard input by then, unless the timer is stopped.
arm() {
    cat >"$state/rollback-$component"
    systemctl stop --quiet "$1.timer" "$1.service" 2>/dev/null || true
    # By default timers may be a minute late.
    systemd-run --quiet --collect --on-active="$2" --timer-property=AccuracySec=1s \
        --unit="$1" sh "$state/rollback-$component"
}
