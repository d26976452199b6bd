"""What channels and sources go with, are worth, and cost."""
