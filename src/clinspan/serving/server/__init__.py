"""`clinspan serve`: the routes, and the servers that carry them."""
