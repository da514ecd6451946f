"""How full something is: a bar, and the same in words, which is what is read out."""

from django.utils.html import format_html


def seats_bar(*, taken: int, limit: int | None, what: str = "seats") -> str:
    if limit is None:
        said = f"{taken}, no limit"
        return format_html('<span class="seats-bar" role="img" aria-label="{} taken: {}">{}</span>', what, said, said)
    free = max(limit - taken, 0)
    return format_html(
        '<span class="seats-bar{}" role="img" aria-label="{} of {} {} taken, {} free">'
        '<span class="seats-bar-track"><span class="seats-bar-fill" style="width: {}%"></span></span>{}</span>',
        " is-full" if free == 0 else "",
        taken,
        limit,
        what,
        free,
        100 if limit == 0 else min(100, round(100 * taken / limit)),
        f"{taken} of {limit}" + (", full" if free == 0 else ""),
    )


def share_bar(*, done: int, of: int, what: str) -> str:
    """How much of something is done."""
    return format_html(
        '<span class="seats-bar" role="img" aria-label="{} of {} {}">'
        '<span class="seats-bar-track"><span class="seats-bar-fill" style="width: {}%"></span></span>{}</span>',
        done,
        of,
        what,
        round(100 * done / of) if of else 0,
        f"{done} of {of}",
    )
