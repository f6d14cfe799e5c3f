# What a device scanned on its own, in sums of a day; nothing about photos or people.
curl --fail-with-body --silent --show-error --retry 5 --header "X-API-Key: $KEY" \
  "$SERVER/v1/models/$MODEL/usage" --json @- <<END
{
  "report_id": "$REPORT_ID",
  "device_id": "$DEVICE",
  "days": [{
    "version": "$VERSION",
    "day": "$DAY",
    "verdicts": {"sure": 17, "unsure": 3},
    "labels": {"$LABEL": 20},
    "confidences": [0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17],
    "sent": 3
  }]
}
END
