#!/bin/bash
# Gives every account its password: HEED_ANALYSIS_KAFKA_PASSWORD is heed-analysis's. Safe to run again; a password that
# changed is taken over. It speaks to the broker's own loopback, whose network this container shares, and needs no login.
set -euo pipefail
umask 077
given=$(mktemp)
trap 'rm -f "$given"' EXIT
for variable in $(compgen -e | grep -E '^HEED_[A-Z]+_KAFKA_PASSWORD$'); do
    account=${variable#HEED_}
    account=heed-$(tr '[:upper:]' '[:lower:]' <<<"${account%_KAFKA_PASSWORD}")
    # By a file: an argument would stand in the list of processes.
    printf 'SCRAM-SHA-512=iterations=8192,password=%s\n' "${!variable}" >"$given"
    "${KAFKA_BIN:-/opt/kafka/bin}/kafka-configs.sh" --bootstrap-server "${KAFKA_LOCAL:-127.0.0.1:9094}" \
        --alter --add-config-file "$given" --entity-type users --entity-name "$account" >/dev/null
    echo "$account has its password"
done
