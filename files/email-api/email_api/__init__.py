"""The e-mail API: receives mail by HTTPS or LMTP and forwards it to the mailboxes of its alias."""
