#!/bin/sh
# A deploy hook for certbot with HAProxy: nothing is deployed that the pins do not allow.
#
#   certbot renew --deploy-hook /etc/letsencrypt/certbot-deploy-hook.sh
#
# certbot says in RENEWED_LINEAGE which lineage it renewed. It goes on whatever a hook answers, so the hook itself has to
# leave the old certificate in place: HAProxy's file is written after the check, and only then.
set -eu
: "${RENEWED_LINEAGE:?is set by certbot}"
: "${HPKP:=hpkp}"
: "${CERTIFICATES:=/etc/haproxy/certificates}"
: "${RELOAD:=systemctl reload haproxy}"

host=$(basename "$RENEWED_LINEAGE")

if ! $HPKP check "$host" "$RENEWED_LINEAGE/fullchain.pem"; then
    echo "$host: not deployed, the old certificate stays. See what is wrong: $HPKP pin $RENEWED_LINEAGE" >&2
    exit 1
fi

umask 077
cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" > "$CERTIFICATES/$host.pem.new"
mv "$CERTIFICATES/$host.pem.new" "$CERTIFICATES/$host.pem"
$RELOAD
