"""What happens to an admitted request: decoded, run in a batch with others, encoded; here or in another process."""
