"""Read models: what the log says, in tables, and the query language over them."""
