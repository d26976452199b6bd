"""Room 11, what people read: console text and the HTML report, from typed results only."""
