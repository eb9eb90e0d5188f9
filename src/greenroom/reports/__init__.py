"""Pages of one file each, for people who ask what happened: they need no network, and print."""
