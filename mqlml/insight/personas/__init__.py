"""The kinds of buyers among won leads."""
