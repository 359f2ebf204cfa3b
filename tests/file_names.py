"""Names of files that people have, and that something may take for more than a name."""

# TensorFlow's patterns hold no character of these.
PLAIN = ["two words", "ünï", "{1}", "50%25", "~x"]
NAMES = ["seed[1]", "a*", "what?", "back\\slash", "nu\udcff", *PLAIN]
