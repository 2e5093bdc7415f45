"""The shaped link: a TCP proxy that behaves like a radio's link."""
