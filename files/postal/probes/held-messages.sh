# shellcheck shell=sh
# Each mail server has a database of its own for messages: one query over all of them.
# Variables: CLIENT, the command that takes SQL; PREFIX of the message databases.
number=$($CLIENT <<END
SELECT COALESCE(CONCAT('SELECT SUM(held) FROM (', GROUP_CONCAT(CONCAT(
    'SELECT COUNT(*) AS held FROM \`', table_schema, '\`.messages WHERE held = 1'
    ) SEPARATOR ' UNION ALL '), ') AS every_server'), 'SELECT 0') INTO @counted
FROM information_schema.tables WHERE table_schema LIKE '$PREFIX-server-%' AND table_name = 'messages';
EXECUTE IMMEDIATE @counted;
END
) || exit 1
echo "measured $number"
echo "$number held"
