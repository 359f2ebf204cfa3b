"""The messages between the processes that train together.

Whoever reaches the port can send anything. What is none of these forms is not heeded, and what is
shown of a text is one line without what a terminal would obey.
"""

# Characters of a text that are shown.
_SHOWN = 1000
# Comparisons in a run, many more than there are.
_ROUNDS = 1000


def _is_flag(value, count):
    return value is True


def _is_text(value, count):
    return isinstance(value, str)


def _is_position(value, count):
    return type(value) is int and 0 <= value < count


def _are_positions(value, count):
    return isinstance(value, list) and all(_is_position(each, count) for each in value)


def _is_round(value, count):
    return _is_position(value, _ROUNDS)


def _are_facts(value, count):
    return isinstance(value, dict)


def _are_all_facts(value, count):
    return isinstance(value, list) and len(value) == count and all(type(v) is dict for v in value)


# By what the values of a message must be.
_FORMS = (
    {"beat": _is_flag},
    {"bye": _is_flag},
    {"welcome": _is_flag},
    {"refused": _is_text},
    {"failed": _is_text},
    {"awaited": _are_positions},
    {"lost": _is_position, "why": _is_text},
    {"left": _is_position, "reason": _is_text},
    {"round": _is_round, "facts": _are_facts},
    {"round": _is_round, "all": _are_all_facts},
)


def is_known(message, count):
    """Whether a dict is a message that a process of a cluster of so many sends."""
    return any(
        message.keys() == form.keys()
        and all(is_of_form(message[name], count) for name, is_of_form in form.items())
        for form in _FORMS
    )


def shown(text):
    """A text of another process as it is shown: in one line, and no longer than a screen."""
    line = " ".join(text.split())[:_SHOWN]
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in line
    )
