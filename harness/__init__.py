"""What `gan` and `classify` share: configurations, runs, datasets, figures and experiments."""
