"""One message through the pipeline: from a stranger's mail server, to an alias, into a mailbox."""

import subprocess
import uuid

from lab.ssh import arguments
from lab.state import Lab, LabError

AUTHOR, ALIAS = "author@internet.test", "sales@in.lab.test"

# Given to internet1's own Postfix, which finds mx1 by DNS. The header tells the way it took.
_SCRIPT = """
sendmail -i -f {author} {alias} <<'MESSAGE'
From: {author}
To: {alias}
Subject: {mark}

Sent by `mailfleet lab mail`.
MESSAGE
for _ in $(seq 60); do
    file=$(grep -lr 'Subject: {mark}' ~inbox/Maildir/new) && break
    sleep 1
done
[ -n "$file" ] || {{ postqueue -p; exit 1; }}
echo "$file"
sed '/^$/,$d' "$file"
"""


def mail(lab: Lab) -> str:
    """Where the message arrived, and its header. Raises LabError."""
    script = _SCRIPT.format(author=AUTHOR, alias=ALIAS, mark=f"lab mail {uuid.uuid4()}")
    done = subprocess.run(
        [*arguments(lab, "internet1"), "sh -s"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(
            f"no message from {AUTHOR} to {ALIAS} arrived within a minute: deploy with "
            "`pyinfra inventories/lab.py deploys/site.py`, and see what waits with "
            f"`mailfleet queue inventories/lab.py`\n{done.stdout}{done.stderr}".rstrip()
        )
    file, _, header = done.stdout.partition("\n")
    return f"{AUTHOR} wrote to {ALIAS}; the message is at internet1 in {file}\n\n{header}"
