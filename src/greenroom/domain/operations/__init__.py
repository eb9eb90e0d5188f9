"""Everything that can be asked of greenroom, one function each.

An operation checks its arguments when it is made, and decides when it is given a turn: the same
ones serve every handle, every store, hypothetical questions and the clock.
"""
