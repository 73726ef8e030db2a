#!/bin/sh
# Enrols one person with a photo at an edgeface site, by one message: enrol_photo.sh SITE_FOLDER NAME PHOTO
# Needs `edgeface` (no models are loaded) and mosquitto_pub. The agent's answer comes on reply/<admin>, sealed;
# `edgeface admin seal --send` would wait for it.
set -eu
folder=$1 name=$2 photo=$3
message=$(mktemp)
trap 'rm -f "$message"' EXIT
told=$(edgeface admin seal --site "$folder" --photo "$photo" --name "$name" --output "$message")
field() { printf '%s' "$told" | sed -n "s/^ *\"$1\": \"\([^\"]*\)\".*/\1/p"; }
broker() { sed -n "s/^ *\"broker_$1\": \"\{0,1\}\([^\",]*\).*/\1/p" "$folder/site.json"; }
mosquitto_pub -q 1 -h "$(broker host)" -p "$(broker port)" -t "$(field topic)" -f "$message" \
    -i "$(field topic | sed 's,.*/,,')" \
    --cafile "$folder/tls/ca.pem" --cert "$folder/tls/admin.pem" --key "$folder/tls/admin.key"
printf '%s\n' "sent as record $(field record)"
