"""What a folder of models holds, what of it can be served, and why the rest cannot."""
