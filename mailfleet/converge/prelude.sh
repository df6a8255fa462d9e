# shellcheck shell=sh
# In front of every script that changes a host: one at a time, and a line about each.
# Variables: component, step.
: "${component:?}" "${step:?}"
set -eu
umask 077
# When the connection is cut nobody reads the output; that must not end the running step.
trap : PIPE
state=/var/lib/mailfleet
mkdir -p "$state"

client=${SSH_CLIENT:-}
who="${SUDO_USER:-$(id -un)}${client:+ from ${client%% *}}"
exec 9<>"$state/lock"
# A deploy whose connection was cut still finishes its step: that is worth waiting for.
if ! flock --timeout 120 9; then
    echo "mailfleet: another deploy is changing this host: $(cat "$state/lock"); try again later" >&2
    exit 1
fi
printf '%s: %s of %s, since %s' "$who" "$step" "$component" "$(date -u +%FT%TZ)" >"$state/lock"
printf '%s %s: %s of %s\n' "$(date -u +%FT%TZ)" "$who" "$step" "$component" >>/var/log/mailfleet.log
