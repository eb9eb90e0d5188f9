"""The command line: looks into a store, runs what is due, rebuilds views, plays the demo."""
