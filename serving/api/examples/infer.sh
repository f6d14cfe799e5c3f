# A header length of 0: there is no JSON, and the body is one photo's file.
curl --fail-with-body --silent --show-error --retry 5 --retry-max-time 60 \
  --header "X-API-Key: $KEY" \
  --header "Content-Type: application/octet-stream" \
  --header "Inference-Header-Content-Length: 0" --data-binary "@$PHOTO" \
  "$SERVER/v2/models/$MODEL/infer"
