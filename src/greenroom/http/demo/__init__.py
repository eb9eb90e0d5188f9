"""A demonstration: a page to create, join and watch calls, without a login."""
