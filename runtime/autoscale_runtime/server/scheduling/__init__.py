"""Who runs next: per model one queue, ordered by deadline and shared fairly, and what cannot be in time refused."""
