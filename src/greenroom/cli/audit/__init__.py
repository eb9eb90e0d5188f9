"""`greenroom audit`: proof of what happened, for whoever was not there."""
