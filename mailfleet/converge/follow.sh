# shellcheck shell=sh
# Apply the current files to units and compose projects; when a gate fails, restore the previous files.
# After prelude.sh; the script that services.py appends calls the functions.
: "${state:?}" "${component:?}"
mkdir -p "$state/applied/$component" "$state/pending"

# record NAME FINGERPRINT: the service runs these files.
record() { printf '%s\n' "$2" >"$state/applied/$component/$1"; }

say() { echo "mailfleet: $*" >&2; }

# unit NAME restart|reload|keep
unit() {
    [ "$(systemctl show -p NeedDaemonReload --value "$1")" = no ] || systemctl daemon-reload
    systemctl enable --quiet "$1"
    case $2 in
        keep) systemctl start "$1" ;;
        restart) systemctl restart "$1" ;;
        reload) systemctl reload-or-restart "$1" ;;
    esac || { say "$1 does not start:"; journalctl -u "$1" -n 20 --no-pager -o cat >&2; return 1; }
    systemctl is-active --quiet "$1" || { say "$1 is not active"; return 1; }
}

# gate SECONDS SECONDS_OF_A_TRY NAME REMEDY, the command on standard input: a probe, whose status 80
# is a warning, and whose last line is the finding.
gate() {
    deadline=$(($(date +%s) + $1)) command=$(cat)
    while :; do
        code=0
        output=$(timeout "$2" sh -c "$command" 2>&1 </dev/null) || code=$?
        case $code in 0 | 80) return 0 ;; esac
        [ "$(date +%s)" -lt "$deadline" ] || break
        sleep 0.5
    done
    finding=$(printf '%s\n' "$output" | tail -n 1 | tr -d '[:cntrl:]')
    [ "$code" != 124 ] || finding="no answer within $2 s"
    say "health gate failed: $component: $3: ${finding:-no output}"
    say "hint: $4"
    return 1
}

# last_lines DIRECTORY: the last log lines of the containers of a project whose gate failed.
last_lines() { cd "$1" || return; docker compose logs --no-color --tail 8 >&2; return 1; }

# A killed `docker compose up` leaves new containers that never started, under the temporary name that
# the next `up` uses for the same service.
remove_unstarted() {
    docker ps --all --quiet --filter "label=com.docker.compose.project.working_dir=$1" \
        --filter status=created --filter 'name=^/?[0-9a-f]{12}_' | xargs --no-run-if-empty docker rm >/dev/null
}

# up DIRECTORY SECONDS [--force-recreate]
up() {
    cd "$1" || return
    remove_unstarted "$1"
    docker compose up ${3:+"$3"} --detach --quiet-pull --remove-orphans --wait --wait-timeout "$2" >"$state/up.log" 2>&1 && return 0
    say "the containers do not start:"
    grep -v -E 'Creat|Start|Recreat|Running|Waiting|Pull|Healthy' "$state/up.log" | tail -n 5 >&2
    docker compose ps --all --format '{{.Service}}: {{.Status}}' >&2
    for service in $(docker compose ps --all --format '{{.Service}} {{.Status}}' | awk '!/\(healthy\)/ {print $1}'); do
        say "last lines of $service:"
        docker compose logs --no-color --no-log-prefix --tail 15 "$service" >&2
    done
    return 1
}

# hashes PROJECT: record the configuration hash of each container, to compare with later.
# Read from the containers: `docker compose config --hash` (2.26) leaves out the values of env_file.
hashes() {
    docker ps --all --filter "label=com.docker.compose.project=$1" --filter label=com.docker.compose.oneoff=False \
        --format '{{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.config-hash"}}' |
        sort | while read -r service hash; do record "$1@$service" "$hash"; done
}

# Before the first deploy there is no previous state: no pending mark, or no previous file.
has_previous_files() { [ -e "$state/pending/$component" ] && [ -e "$state/previous/$component/files.tar" ]; }

# restore: install the previous files. A unit that is removed with them is stopped before its file goes.
restore() {
    previous=$state/previous/$component
    [ ! -e "$previous/created" ] || while read -r path; do
        case $path in
            /etc/systemd/system/*/*) ;;
            /etc/systemd/system/*) systemctl disable --quiet --now "${path##*/}" </dev/null || true ;;
        esac
        rm -f "$path"
    done <"$previous/created"
    [ ! -e "$previous/files.tar" ] || tar -x -p --numeric-owner -P -f "$previous/files.tar"
    systemctl daemon-reload
    [ ! -e "$previous/enabled" ] || xargs systemctl enable --quiet --now <"$previous/enabled"
}

# restore_unit NAME restart|reload: as `unit`, unless the rollback removed it.
restore_unit() { ! systemctl cat "$1" >/dev/null 2>&1 || unit "$1" "$2"; }

finish() { rm -rf "$state/pending/$component" "$state/previous/$component"; }
