# shellcheck shell=sh
# Postal manual, "MariaDB": existing tables must have the row format DYNAMIC.
# Variables: CLIENT, the command that takes SQL.
tables=$($CLIENT -e "SELECT name FROM information_schema.innodb_sys_tables
    WHERE row_format IN ('Compact', 'Redundant') AND name LIKE '%/%'
    AND name NOT LIKE 'mysql/%' AND name NOT LIKE 'sys/%'") || exit 1
[ -n "$tables" ] || { echo 'as Postal needs it'; exit; }
printf 'not DYNAMIC: %s\n' "$(echo "$tables" | paste -sd " " -)"
exit 80
