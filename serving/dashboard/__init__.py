"""What the server was asked, day by day: counts, drift against validation, and the page of both."""
