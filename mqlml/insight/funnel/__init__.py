"""How far leads get, and how long it takes."""
