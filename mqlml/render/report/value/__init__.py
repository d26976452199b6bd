"""The chapter of the report on what pays, a section a piece."""
