# shellcheck shell=sh
# Stop and disable the units that were so, put the previous files back, and let the units that were
# active follow those. Run a second time, or after the change was kept, it does nothing.
# Variables: FOLLOW, a line `VERB UNIT` for each unit; state, component (prelude.sh).
: "${state:?}" "${component:?}"
[ -e "$state/rollback-$component" ] || exit 0
before=$state/rollback-$component.units failed=
while read -r verb unit; do
    systemctl "$verb" --quiet "$unit" </dev/null || failed=yes
done <"$before"
restore
while read -r verb unit; do
    grep -qxF "stop $unit" "$before" || systemctl "$verb" "$unit" </dev/null || failed=yes
done <<END
$FOLLOW
END
[ -z "$failed" ] || exit 1
rm -f "$state/rollback-$component" "$before"
