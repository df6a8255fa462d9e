# shellcheck shell=sh
# Users that can log in, and their keys (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
while IFS=: read -r user _ _ _ _ home shell; do
    case $shell in */nologin | */false | */sync) continue ;; esac
    echo "user $user"
    for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        [ ! -f "$file" ] ||
            awk -v user="$user" '!/^[[:space:]]*(#|$)/ { print "key", user, $0 }' "$file"
    done
done </etc/passwd
