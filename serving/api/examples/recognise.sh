# curl waits as Retry-After says where the server is busy (503) or asked too often (429).
curl --fail-with-body --silent --show-error --retry 5 --retry-max-time 60 \
  --header "X-API-Key: $KEY" \
  --header "Content-Type: image/jpeg" --data-binary "@$PHOTO" \
  "$SERVER/v1/models/$MODEL/recognise?top_k=3"
