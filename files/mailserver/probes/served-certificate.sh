# shellcheck shell=sh
# A renewed certificate must also be the one that is served.
# Variables: PORT; STARTTLS, `smtp` or empty; CERTIFICATE, a file.
fingerprint() { openssl x509 -noout -fingerprint -sha256 "$@"; }
served=$(openssl s_client -connect "127.0.0.1:$PORT" ${STARTTLS:+-starttls "$STARTTLS"} \
    </dev/null 2>/dev/null | fingerprint) || { echo 'no certificate'; exit 1; }
[ "$served" = "$(fingerprint -in "$CERTIFICATE")" ] ||
    { echo "another certificate than $CERTIFICATE is served"; exit 1; }
echo "serves $CERTIFICATE"
