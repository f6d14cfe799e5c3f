curl --fail-with-body --silent --show-error --header "X-API-Key: $KEY" \
  "$SERVER/v1/models/$MODEL/check" --json @- <<END
{
  "platform": "android",
  "device_id": "$DEVICE",
  "current": {"version": "$VERSION"}
}
END
