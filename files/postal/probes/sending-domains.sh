# shellcheck shell=sh
# What Postal itself finds in DNS (has_dns_checks.rb, `dns_ok?`), as far as it concerns sending. It
# checks every hour, but only domains that were checked in its web interface before.
# Variables: CLIENT, the command that takes SQL; DATABASE.
domains=$($CLIENT <<END
SELECT COUNT(*) FROM $DATABASE.domains;
SELECT CONCAT(name, ' (', faults, ')') FROM (SELECT name, IF(verified_at IS NULL, 'not verified',
    CONCAT_WS(', ', IF(dkim_status IS NULL, 'DNS never checked', NULL),
        IF(dkim_status <> 'OK', CONCAT('DKIM ', LOWER(dkim_status)), NULL),
        IF(spf_status <> 'OK', CONCAT('SPF ', LOWER(spf_status)), NULL),
        IF(return_path_status = 'Invalid', 'return path invalid', NULL))) AS faults
    FROM $DATABASE.domains) AS checked WHERE faults <> '' ORDER BY name;
END
) || exit 1
echo "$domains" | awk '
    NR == 1 { all = $1; next }
    { bad++ }
    bad <= 5 { names = names (bad > 1 ? ", " : "") $0 }
    END {
        print "measured " bad + 0
        if (!bad) print all ? "all " all " verified, SPF and DKIM as Postal wants them" : "none yet"
        else print bad " of " all ": " names (bad > 5 ? " and " bad - 5 " more" : "")
    }'
