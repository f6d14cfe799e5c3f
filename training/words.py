"""Counts in words. Free of torch."""


def count_words(count: int, singular: str, plural: str = "") -> str:
    """Returns a count with its noun, as in "1 problem" and "2,485 photos".

    Args:
        count: how many.
        singular: of the noun.
        plural: where it is another word than the singular with an "s".
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
