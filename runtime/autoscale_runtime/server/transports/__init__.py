"""How requests come and answers go: each transport behind the one interface of ``base``."""
