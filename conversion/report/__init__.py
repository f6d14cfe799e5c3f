"""The page that holds everything known of a build, for whoever decides on a release."""
