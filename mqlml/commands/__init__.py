"""Room 12, what each command does, end to end."""
