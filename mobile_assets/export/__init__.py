"""A bundle laid out as an Android, iOS or web project takes it in."""
