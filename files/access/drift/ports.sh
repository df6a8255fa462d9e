# shellcheck shell=sh
# Listening sockets. A program that queries several name servers from one socket, as Postal's
# processes do (Ruby's Resolv, UnconnectedUDP), seems to listen on a random port for as long as the
# query takes: only what is still there three seconds later listens.
listening=$(ss -Hltnup) || exit 1
if echo "$listening" | awk '
    $1 == "udp" && $5 !~ /^(127\.|\[::1\])/ && $5 ~ /:[0-9][0-9][0-9][0-9]+$/ { found = 1 }
    END { exit !found }'
then
    sleep 3
    later=$(ss -Hltnup) || exit 1
    listening=$(printf '%s\n' "$listening" "$later" | awk '$1 != "udp" || seen[$5]++ == 1')
fi
echo "$listening"
