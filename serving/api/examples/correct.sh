# Where no answer comes, the same is sent again: the server does it once for a key.
curl --fail-with-body --silent --show-error --retry 5 --header "X-API-Key: $KEY" \
  --header "Idempotency-Key: \"$CORRECTION_ID\"" \
  --form "correction=@-;type=application/json" --form "photo=@$PHOTO;type=image/jpeg" \
  "$SERVER/v1/models/$MODEL/corrections" <<END
{
  "correction_id": "$CORRECTION_ID",
  "device_id": "$DEVICE",
  "scanned_at": "$SCANNED_AT",
  "version": "$VERSION",
  "answered": {"label": "$LABEL", "verdict": "unsure", "by": "device"},
  "right": {"kind": "label", "name": "$RIGHT"}
}
END
