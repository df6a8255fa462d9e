# shellcheck shell=sh
# Postal manual, "MariaDB": tables made by version 1 may have a smaller type than LONGBLOB.
# Variables: CLIENT, the command that takes SQL; PREFIX of the message databases.
tables=$($CLIENT -e "SELECT CONCAT(table_schema, '.', table_name, ' ', data_type)
    FROM information_schema.columns WHERE table_schema LIKE '$PREFIX-server-%'
    AND table_name LIKE 'raw-%' AND column_name = 'data' AND data_type <> 'longblob'") || exit 1
[ -n "$tables" ] || { echo 'messages are LONGBLOB'; exit; }
printf 'not LONGBLOB: %s\n' "$(echo "$tables" | paste -sd " " -)"
exit 80
