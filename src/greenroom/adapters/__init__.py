"""What connects the rules to the world: stores, clocks, ids, notifications, the command line."""
