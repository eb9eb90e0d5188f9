"""Read models and the query language."""
