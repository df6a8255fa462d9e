# shellcheck shell=sh
# The fullest file system that holds something of the fleet; each path may be one of its own.
# Variables: COLUMN of df(1), `pcent` or `ipcent`; WHAT it counts, empty or `the inodes of `.
df --output="$COLUMN,target" / /opt /var/lib /var/lib/docker /var/log 2>/dev/null |
    tail -n +2 | sort -rn | {
    read -r used mount
    # File systems such as btrfs make inodes as they are needed, and show none.
    [ "$used" != - ] || used=0%
    echo "measured ${used%\%}"
    echo "$used of $WHAT$mount used"
}
