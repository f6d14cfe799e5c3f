"""What the server remembers: tables, the audit log, and how long things are kept."""
