"""Which steps in which order go with a sale."""
