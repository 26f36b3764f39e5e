"""The worker's side: capture, graphs, abstraction, epochs, publishing."""
