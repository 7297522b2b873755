"""How often and how long, from words to numbers; text that no rule reads is kept as it is."""

from __future__ import annotations

from clinspan.clinical.records import Timing


def timing(text: str) -> Timing:
    """Read the text of a frequency or a duration.

    Args:
        text: such as "twice daily with meals", "q6-8h prn pain" or "for 10 days".

    Returns:
        Its structure. A text with a part that no rule reads gives that part in `unparsed`; one that reads two ways
        gives nothing but `unparsed`.
    """
    return Timing(text, unparsed=text)
