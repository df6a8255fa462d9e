# shellcheck shell=sh
# Security updates that are available but not installed, and packages on hold. apt itself would take
# seconds to build its cache, and write it. Lists may be compressed.
# shellcheck disable=SC2016  # dpkg-query expands the fields.
{
    dpkg-query -W -f 'have ${db:Status-Want} ${db:Status-Status} ${Package} ${Version}\n'
    for list in /var/lib/apt/lists/*-security_*_Packages*; do
        [ ! -e "$list" ] || /usr/lib/apt/apt-helper cat-file "$list"
    done
} | awk '
    $1 == "have" && $2 == "hold" { print "held", $4 }
    $1 == "have" { if ($3 == "installed") have[$4] = $5; next }
    /^Package: / { name = $2 }
    /^Version: / && name in have && have[name] != $2 { print "other", name, have[name], $2 }
' | while read -r kind name old new; do
    case $kind in
        held) echo "held $name" ;;
        other) ! dpkg --compare-versions "$new" gt "$old" || echo "security $name $old $new" ;;
    esac
done
