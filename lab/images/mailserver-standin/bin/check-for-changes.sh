#!/bin/bash
# The changedetector: every two seconds, and only for the files that the public image watches.
source /usr/local/bin/standin.sh
source /etc/dms-settings

handle() {
    if [[ $1 =~ postfix-(accounts|virtual).cf ]]; then make_vhost; fi
    if [[ $1 =~ $SSL_CERT_PATH || $1 =~ $SSL_KEY_PATH ]]; then make_tls; fi
    if [[ $1 =~ (postfix-(accounts|virtual|aliases)|dovecot-(quotas|masters)).cf ]]; then make_accounts; fi
    if [[ $1 =~ postfix-(relaymap|sasl-password).cf ]]; then make_relay; fi
    if [[ $1 =~ postfix-virtual.cf ]]; then make_virtual; fi
    if [[ $1 =~ postfix-regexp.cf ]]; then make_regexp; fi
    if [[ $1 =~ postfix-aliases.cf ]]; then make_aliases; fi
    age_main_cf
    postfix reload
    dovecot reload
}

while true; do
    checksums >$CHECKSUMS.new
    if ! cmp -s $CHECKSUMS $CHECKSUMS.new; then
        log INFO 'Change detected'
        handle "$(grep -Fxvf $CHECKSUMS $CHECKSUMS.new)"
        mv $CHECKSUMS.new $CHECKSUMS
    fi
    sleep "${DMS_CONFIG_POLL:-2}"
done
