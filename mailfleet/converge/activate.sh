# shellcheck shell=sh
# Install the files of one component, all or none. Standard input: a base64 tar of the whole
# bundle. After prelude.sh; the script that files.py appends calls the functions.
: "${state:?}" "${component:?}"
stage=$state/stage/$component
mkdir -p "$state/stage" "$state/previous" "$state/pending" "$state/applied"

leave() {
    code=$?
    rm -rf "$stage"
    for path in ${temporary:-}; do rm -f "$path"; done
    exit $code
}
trap leave EXIT
trap 'exit 130' HUP INT TERM

receive() {
    rm -rf "$stage"
    mkdir -p "$stage"
    base64 -d | tar -x -p --numeric-owner -C "$stage" ||
        { echo "mailfleet: could not write to $stage (disk full?); nothing was changed" >&2; exit 1; }
}

# check CONSUMER COMMAND
check() {
    if ! output=$(eval "$2" 2>&1 </dev/null); then
        echo "mailfleet: $1 rejects the new files of $component; the current ones stay in place:" >&2
        printf '%s\n' "$output" | tail -n 20 >&2
        exit 1
    fi
}

# backup_files PATH...: copy the current files, for a rollback. A run that was interrupted before its
# services ran the new files leaves the mark `pending`: then the older copy is the good one, and only
# files that it lacks are added to it.
backup_files() {
    previous=$state/previous/$component
    if [ -e "$state/pending/$component" ]; then interrupted=yes; else rm -rf "$previous"; fi
    mkdir -p "$previous"
    touch "$previous/existed" "$previous/created"
    rm -f "$previous"/*.new
    for path in "$@"; do
        ! cat "$previous/existed" "$previous/created" | grep -qxF -e "$path" || continue
        if [ -e "$path" ]; then printf '%s\n' "$path" >>"$previous/existed.new"
        else printf '%s\n' "$path" >>"$previous/created.new"; fi
    done
    if [ -e "$previous/existed.new" ]; then
        # The copy grows beside the good one: half an archive would be none.
        [ ! -e "$previous/files.tar" ] || cp "$previous/files.tar" "$previous/files.tar.new"
        tar -r -p --numeric-owner -P -f "$previous/files.tar.new" -T "$previous/existed.new" ||
            { echo "mailfleet: could not write to $previous (disk full?); nothing was changed" >&2; exit 1; }
        mv -f "$previous/files.tar.new" "$previous/files.tar"
        cat "$previous/existed.new" >>"$previous/existed"
    fi
    [ ! -e "$previous/created.new" ] || cat "$previous/created.new" >>"$previous/created"
    rm -f "$previous"/*.new
    : >"$state/pending/$component"
}

# clear_pending: no service reads the changed files; the step is complete unless an earlier run was
# interrupted.
clear_pending() { [ -n "${interrupted:-}" ] || rm -rf "$state/pending/$component" "$state/previous/$component"; }

# discard PATH...: remove files; a unit is stopped before its file goes, and started by a rollback.
discard() {
    for path in "$@"; do
        case $path in
            /etc/systemd/system/*)
                unit=${path##*/}
                ! systemctl is-enabled --quiet "$unit" || echo "$unit" >>"$previous/enabled"
                systemctl disable --quiet --now "$unit" || true
                ;;
        esac
    done
    rm -f -- "$@"
    case " $* " in *" /etc/systemd/system/"*) systemctl daemon-reload ;; esac
}

# copy PATH...: copy beside the destination; install_files PATH...: rename once every copy is complete.
copy() {
    temporary=
    for path in "$@"; do
        [ -d "${path%/*}" ] || { umask 022; mkdir -p "${path%/*}"; umask 077; }
        new=${path%/*}/.${path##*/}.mailfleet
        temporary="$temporary $new"
        cp -p "$stage$path" "$new" ||
            { echo "mailfleet: could not write $new; nothing was changed" >&2; exit 1; }
    done
}
install_files() {
    for path in "$@"; do mv -f "${path%/*}/.${path##*/}.mailfleet" "$path"; done
    temporary=
}
