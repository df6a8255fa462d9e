# shellcheck shell=sh
# A certificate that Postal cannot use shows at STARTTLS only, and nothing is logged.
# Variables: PORT, NAME of the server, CERTIFICATE, a file.
fingerprint() { openssl x509 -noout -fingerprint -sha256 "$@"; }
served=$(openssl s_client -connect "127.0.0.1:$PORT" -starttls smtp -servername "$NAME" \
    </dev/null 2>/dev/null | fingerprint 2>/dev/null) || { echo 'STARTTLS fails'; exit 1; }
[ "$served" = "$(fingerprint -in "$CERTIFICATE")" ] ||
    { echo "another certificate than $CERTIFICATE is served"; exit 1; }
echo "serves $CERTIFICATE"
