"""How fast this machine is: against its own limit, and beside what one would use instead."""
