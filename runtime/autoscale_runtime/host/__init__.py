"""What this process has of its machine, or of the container it lives in."""
