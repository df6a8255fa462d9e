# shellcheck shell=sh
# The desired rules are loaded in a network namespace of their own, which ends with the command, so
# that nft prints both in one form. A missing table is reported as the firewall unit.
# Variables: RULES, the desired ones.
nft list chain inet mailfleet input >/dev/null 2>&1 || exit 0
desired=$(printf '%s\n' "$RULES" |
    unshare --net sh -e -c 'nft -f -; nft -s -t list table inet mailfleet') || exit 1
nft -s -t list table inet mailfleet | sed 's/^/seen|/'
echo "$desired" | sed 's/^/wanted|/'
