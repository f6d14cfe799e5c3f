"""The scan page: a web app that recognises on the device, by the release's own file."""
