# shellcheck shell=sh
# The version that Postal itself reports. The same image reports the same, so one process of each
# is queried.
# Variables: DESIRED, empty where the tag is no version (`stable`).
running=$(docker ps --filter label=com.docker.compose.project=postal \
        --filter label=com.docker.compose.oneoff=False --format '{{.Image}} {{.ID}}' |
    sort -u -k 1,1 |
    while read -r _ id; do docker exec "$id" postal version </dev/null; done | sort -u | xargs)
[ -n "$running" ] || { echo 'no process reports a version'; exit 1; }
case $DESIRED in
    '') echo "$running" ;;
    "$running") echo "$running, as configured" ;;
    *) echo "runs $running, configured is $DESIRED"; exit 80 ;;
esac
