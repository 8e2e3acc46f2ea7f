#!/bin/sh
# Reload HAProxy only with certificates that the pins allow. The names of the files are those of the hosts: HOST.pem.
set -eu
: "${HPKP:=hpkp}"
: "${CERTIFICATES:=/etc/haproxy/certificates}"
: "${RELOAD:=systemctl reload haproxy}"

for file in "$CERTIFICATES"/*.pem; do
    host=$(basename "$file" .pem)
    if ! $HPKP check "$host" "$file"; then
        echo "$host: not reloaded, because $file does not pass" >&2
        exit 1
    fi
done
$RELOAD
