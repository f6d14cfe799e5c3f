"""What lies inside of an artifact: operators, weights, delegates."""
