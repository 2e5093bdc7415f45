"""What stands where applications look for their runtime: the parts that are the same for all of them."""
