"""Text from a network, token by token: choosing, stopping, streaming, and showing what else might have come."""
