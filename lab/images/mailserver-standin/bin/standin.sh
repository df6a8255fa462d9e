# shellcheck shell=bash
# Functions that start-up and changedetector share. Sourced by bash.
CONFIG=/tmp/docker-mailserver
# shellcheck disable=SC2034 # Read by the scripts that source this file.
CHECKSUMS=/tmp/docker-mailserver-config-chksum

log() { echo "[  $1  ]  $2"; }

# Lines that are neither empty nor comments.
lines_of() { [ ! -f "$1" ] || grep -v -E '^[[:space:]]*(#|$)' "$1" || true; }

# Postfix does not take a main.cf that is younger than two seconds.
age_main_cf() { touch -d '2 seconds ago' /etc/postfix/main.cf; }

make_vhost() {
    {
        lines_of $CONFIG/postfix-accounts.cf | cut -d '|' -f 1
        lines_of $CONFIG/postfix-virtual.cf | awk '{print $1}'
    } | sed -n 's/.*@//p' | sort -u >/etc/postfix/vhost
}

make_accounts() {
    : >/etc/postfix/vmailbox
    : >/etc/dovecot/userdb
    chown dovecot:dovecot /etc/dovecot/userdb
    chmod 640 /etc/dovecot/userdb
    lines_of $CONFIG/postfix-accounts.cf | while IFS='|' read -r login hash extra; do
        user=${login%@*} domain=${login#*@}
        echo "$login $domain/$user/" >>/etc/postfix/vmailbox
        echo "$login:$hash:5000:5000::/var/mail/$domain/$user/home::$extra" >>/etc/dovecot/userdb
        install -d -o docker -g docker "/var/mail/$domain" "/var/mail/$domain/$user" "/var/mail/$domain/$user/home"
    done
}

make_virtual() {
    : >/etc/postfix/virtual
    [ ! -f $CONFIG/postfix-virtual.cf ] || cp -f $CONFIG/postfix-virtual.cf /etc/postfix/virtual
}

make_regexp() {
    : >/etc/postfix/regexp
    [ -f $CONFIG/postfix-regexp.cf ] || return 0
    cp -f $CONFIG/postfix-regexp.cf /etc/postfix/regexp
    grep -q 'virtual_alias_maps.*pcre:/etc/postfix/regexp' /etc/postfix/main.cf ||
        sed -i -E 's|^virtual_alias_maps(.*)|virtual_alias_maps\1 pcre:/etc/postfix/regexp|' /etc/postfix/main.cf
}

make_aliases() {
    echo "root: ${POSTMASTER_ADDRESS}" >/etc/aliases
    [ ! -f $CONFIG/postfix-aliases.cf ] || cat $CONFIG/postfix-aliases.cf >>/etc/aliases
    postalias /etc/aliases
}

make_tls() {
    [ "${SSL_TYPE:-}" = manual ] || return 0
    if [ ! -f "${SSL_KEY_PATH:-}" ] || [ ! -f "${SSL_CERT_PATH:-}" ]; then
        log ERROR "SSL_CERT_PATH or SSL_KEY_PATH is missing"
        return 1
    fi
    install -m 600 "$SSL_KEY_PATH" /etc/dms/tls/key
    install -m 644 "$SSL_CERT_PATH" /etc/dms/tls/cert
}

make_relay() {
    [ -n "${DEFAULT_RELAY_HOST:-}" ] || return 0
    postconf "relayhost = $DEFAULT_RELAY_HOST"
    install -m 600 /dev/null /etc/postfix/sasl_passwd
    if [ -f $CONFIG/postfix-sasl-password.cf ]; then
        lines_of $CONFIG/postfix-sasl-password.cf >>/etc/postfix/sasl_passwd
        postconf 'smtp_sender_dependent_authentication = yes'
    elif [ -n "${RELAY_USER:-}" ] && [ -n "${RELAY_PASSWORD:-}" ]; then
        echo "$DEFAULT_RELAY_HOST $RELAY_USER:$RELAY_PASSWORD" >>/etc/postfix/sasl_passwd
    else
        return 0
    fi
    postconf 'smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd' \
        'smtp_sasl_auth_enable = yes' 'smtp_sasl_security_options = noanonymous' \
        'smtp_tls_security_level = encrypt'
}

# Hashes of the files that are watched, and of no others.
checksums() {
    for file in $CONFIG/postfix-{accounts,virtual,regexp,aliases,relaymap,sasl-password}.cf \
        $CONFIG/dovecot-{quotas,masters}.cf ${SSL_TYPE:+"${SSL_CERT_PATH:-}" "${SSL_KEY_PATH:-}"}; do
        [ ! -f "$file" ] || sha512sum -- "$file"
    done
}
