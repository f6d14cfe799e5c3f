# Where no answer comes, the same is sent again: a report id counts once.
curl --fail-with-body --silent --show-error --retry 5 --header "X-API-Key: $KEY" \
  "$SERVER/v1/models/$MODEL/reports" --json @- <<END
{
  "report_id": "$REPORT_ID",
  "device_id": "$DEVICE",
  "version": "$VERSION",
  "artifact_sha256": "$ARTIFACT_SHA256",
  "event": "self-test",
  "passed": true,
  "platform": "android"
}
END
