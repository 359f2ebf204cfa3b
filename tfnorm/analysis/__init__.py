"""Analysis of internal covariate shift: distances between distributions, and their bounds."""
