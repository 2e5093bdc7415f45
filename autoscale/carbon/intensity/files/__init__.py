"""Files of carbon intensities as people have them: what each column is, in which unit, on whose clock."""
