curl --fail-with-body --silent --show-error --header "X-API-Key: $KEY" "$SERVER/v1/models"
