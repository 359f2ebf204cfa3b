"""What the programs share: data, runs, loops. Not part of the public interface."""
