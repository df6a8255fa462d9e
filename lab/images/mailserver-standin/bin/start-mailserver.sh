#!/bin/bash
# The start-up contract of the public image: what it checks, in which order it reads what, and
# that all of it is skipped when a container is merely started again.
source /usr/local/bin/standin.sh

panic() { log ERROR "$1"; log ERROR "Shutting down"; kill 1; exit 1; }

wait_for_account() {
    local waited=0
    until [ -n "$(lines_of $CONFIG/postfix-accounts.cf)" ]; do
        [ $waited -gt 0 ] || log WARN "You need at least one mail account to start Dovecot (120s left for account creation before shutdown)"
        [ $waited -lt 120 ] || panic "No accounts provided - Dovecot could not be started"
        sleep 10
        waited=$((waited + 10))
    done
}

# Queue and caches outlive the container only in /var/mail-state, when that is there.
keep_state() {
    local directory kept
    [ -d /var/mail-state ] || return 0
    for directory in lib/postfix spool/postfix lib/dovecot; do
        kept=/var/mail-state/${directory//\//-}
        if [ -d "$kept" ]; then rm -rf "/var/${directory:?}"
        else mv "/var/$directory" "$kept"; fi
        ln -s "$kept" "/var/$directory"
    done
}

configure() {
    wait_for_account
    make_vhost
    make_accounts
    if [ "$ENABLE_OPENDKIM" = 1 ]; then
        install -d /etc/opendkim/keys
        touch /etc/opendkim/{KeyTable,SigningTable,TrustedHosts}
        [ ! -e $CONFIG/opendkim/KeyTable ] || cp -a $CONFIG/opendkim/* /etc/opendkim/
        chown -R opendkim:opendkim /etc/opendkim
        chmod -R 0700 /etc/opendkim/keys
        echo "Nameservers $(awk '/^nameserver/ {print $2}' /etc/resolv.conf | paste -sd ,)" >>/etc/opendkim.conf
        postconf 'dkim_milter = inet:localhost:8891' 'smtpd_milters = $dkim_milter' 'non_smtpd_milters = $dkim_milter'
    fi
    make_tls || panic "TLS is not set up"
    postconf "myhostname = $(hostname)" "mydomain = $(hostname | cut -d . -f 2-)"
    make_virtual
    make_regexp
    make_aliases
    postconf "message_size_limit = ${POSTFIX_MESSAGE_SIZE_LIMIT:-10240000}"
    postconf "postscreen_greet_action = ${POSTSCREEN_ACTION:-enforce}" \
        "postscreen_dnsbl_action = ${POSTSCREEN_ACTION:-enforce}" \
        "postscreen_bare_newline_action = ${POSTSCREEN_ACTION:-enforce}"
    if [ "$SPOOF_PROTECTION" = 1 ]; then
        postconf 'smtpd_sender_login_maps = texthash:/etc/postfix/virtual, hash:/etc/aliases, pcre:/etc/postfix/maps/sender_login_maps.pcre'
    else
        postconf 'mua_sender_restrictions = $dms_smtpd_sender_restrictions'
    fi
    if [ -f $CONFIG/postfix-receive-access.cf ]; then
        sed -i 's|^smtpd_recipient_restrictions =|& check_recipient_access texthash:/tmp/docker-mailserver/postfix-receive-access.cf,|' /etc/postfix/main.cf
    fi
    make_relay
    lines_of $CONFIG/postfix-master.cf | while read -r parameter; do postconf -P "$parameter"; done
    if [ -f $CONFIG/postfix-main.cf ]; then
        cat $CONFIG/postfix-main.cf >>/etc/postfix/main.cf
        age_main_cf
        # Drops parameters that no service uses yet, as the public image does.
        postconf -n >/tmp/main.cf.new 2> >(grep -v 'overriding earlier entry' >&2)
        mv /tmp/main.cf.new /etc/postfix/main.cf
    fi
    age_main_cf
    keep_state
    # Its exit status is ignored.
    if [ -f $CONFIG/user-patches.sh ]; then
        /bin/bash $CONFIG/user-patches.sh || true
    fi
    checksums >$CHECKSUMS
}

log INFO "Welcome to docker-mailserver $DMS_RELEASE (stand-in of the mailfleet lab)"
[[ $(hostname) == *.*.* || $(hostname) == *.* ]] || panic "Setting hostname/domainname is required: '$(hostname)' is not fully qualified"
for name in ENABLE_AMAVIS ENABLE_RSPAMD ENABLE_CLAMAV ENABLE_FAIL2BAN ENABLE_OPENDMARC ENABLE_POLICYD_SPF; do
    [ "${!name:-0}" != 1 ] || log WARN "$name=1: not in the stand-in"
done
export ENABLE_OPENDKIM=${ENABLE_OPENDKIM:-1} SPOOF_PROTECTION=${SPOOF_PROTECTION:-0}
export POSTMASTER_ADDRESS=${POSTMASTER_ADDRESS:-postmaster@$(hostname | cut -d . -f 2-)}
declare -px POSTMASTER_ADDRESS >/etc/dms-settings

chmod +x $CONFIG
if [ -f /CONTAINER_START ]; then
    log INFO 'Container was restarted. Skipping most setup routines.'
    find /run -name '*.pid' ! -name supervisord.pid -delete
else
    configure
fi
date >/CONTAINER_START

touch /var/log/mail/mail.log
from=$(($(wc -l </var/log/mail/mail.log) + 1))
supervisorctl start rsyslog dovecot >/dev/null
[ "$ENABLE_OPENDKIM" != 1 ] || supervisorctl start opendkim >/dev/null
supervisorctl start postfix changedetector >/dev/null
log INFO "$(hostname) is up and running"
exec tail -Fn "+$from" /var/log/mail/mail.log
