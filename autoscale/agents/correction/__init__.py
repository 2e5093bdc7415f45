"""What the corrector believes: residuals of a forecast, shared where targets and networks have something in common."""
