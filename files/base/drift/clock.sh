# shellcheck shell=sh
# Seconds since chronyd started, and chronyc(1) "tracking". A chronyd that is down is reported as a
# unit.
systemctl is-active --quiet chrony.service || exit 0
now=$(cut -d. -f1 /proc/uptime)
since=$(systemctl show -p ActiveEnterTimestampMonotonic --value chrony.service)
tracking=$(chronyc -c tracking) || { echo "$tracking" >&2; exit 1; }
echo "$((now - ${since:-0} / 1000000)),$tracking"
