"""Carbon intensity of electricity: by place and hour, from whatever source tells it."""
