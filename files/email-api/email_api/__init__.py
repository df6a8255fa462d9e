"""The e-mail API: mail in by HTTPS or LMTP, out through an SMTP relay to the alias's mailboxes."""
