# shellcheck shell=sh
# One message a line; each recipient that is tried again has a reason (postqueue(1)).
queue=$(docker exec mailserver postqueue -j) || exit 1
of() { printf '%s' "$queue" | grep -o "\"$1\": *$2"; }
count=$(printf '%s' "$queue" | grep -c .)
oldest=$(of arrival_time '[0-9]*' | grep -o '[0-9]*$' | sort -n | head -n 1)
now=$(date +%s)
age=$((now - ${oldest:-$now}))
reason=$(of delay_reason '"[^"]*"' | cut -d'"' -f4 | sort | uniq -c | sort -rn |
    awk 'NR == 1 { $1 = $1; print }')
echo "measured $age"
echo "$count in the queue, the oldest for $age s${reason:+, mostly: $reason}"
