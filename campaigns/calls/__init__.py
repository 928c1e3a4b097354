"""Calls that agents make: the queue, when a customer may be called, what came of it, and who looks after all that."""
