import unicodedata


def searchable(text: str) -> str:
    """The form in which text is searched ignoring case: NFC, casefolded, NFC again (folding can decompose).

    Kept in a column beside the original, because `UPPER()` differs between databases and no index serves it.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
