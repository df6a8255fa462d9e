# shellcheck shell=sh
# Prints one JSON object for each entry of Postal's queue. Messages are in a database for each mail
# server: the first client writes one SELECT for each server with queued messages, the second runs
# them.
# Variables: CLIENT, the command that takes SQL; DATABASE; PREFIX of the message databases; HELD,
# `retry_after` of a held entry.
queue="\`$DATABASE\`.queued_messages"
$CLIENT <<END | $CLIENT
SELECT REPLACE('SELECT JSON_OBJECT(
    ''id'', q.id,
    ''arrived'', UNIX_TIMESTAMP(q.created_at),
    ''attempts'', q.attempts,
    ''locked'', q.locked_by IS NOT NULL,
    ''held'', COALESCE(q.retry_after >= ''$HELD'', 0),
    ''sender'', m.mail_from,
    ''recipient'', m.rcpt_to,
    ''reason'', (SELECT d.details FROM \`$PREFIX-server-SERVER\`.deliveries d
        WHERE d.message_id = m.id ORDER BY d.id DESC LIMIT 1))
    FROM $queue q JOIN \`$PREFIX-server-SERVER\`.messages m ON m.id = q.message_id
    WHERE q.server_id = SERVER;', 'SERVER', server_id)
FROM $queue GROUP BY server_id;
END
