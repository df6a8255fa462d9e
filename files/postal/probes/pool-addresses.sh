# shellcheck shell=sh
# Postal manual, "IP Pools": addresses of pools must be on the host. The database may be on another
# host: any process of Postal here can query it, with Postal's own gem. An address that Postal spells
# otherwise than the system is missing for its workers too (process_queued_messages_job.rb), which
# take messages by either address of a pair.
# Variables: ALONE, 1 where no other host sends.
process=$(docker ps -q --filter label=com.docker.compose.project=postal \
    --filter label=com.docker.compose.oneoff=False | head -n 1)
[ -n "$process" ] || { echo 'no process of Postal runs'; exit 1; }
pairs=$(docker exec -i "$process" bundle exec ruby -ryaml -rmysql2 - <<'END'
main = YAML.load_file("/config/postal.yml")["main_db"]
options = %w[host port username password database].to_h { |key| [key.to_sym, main[key]] }
Mysql2::Client.new(connect_timeout: 5, **options).query("SELECT ipv4, ipv6 FROM ip_addresses")
  .each { |row| puts ["pair", *row.values].join(" ") }
END
) || exit 1
{ ip -o addr | awk '{ sub("/.*", "", $4); print "here", $4 }'; echo "$pairs"; } |
awk -v alone="$ALONE" '
    $1 == "here" { here[$2] = 1 }
    $1 == "pair" {
        all++; present = 0
        for (i = 2; i <= NF; i++) present += here[tolower($i)]
        for (i = 2; i <= NF; i++) if (!here[tolower($i)] && (alone || present)) lacks = lacks " " $i
        ours += present > 0
    }
    END {
        if (lacks) print "not on this host:" lacks
        else print all ? ours " of " all " pool addresses are on this host" : "no pool addresses"
        exit lacks ? 1 : 0
    }'
