"""Character strings of records (RFC 1035 section 3.3) in presentation format."""


def quoted(raw: bytes, mark: str = '"') -> str:
    """A character string as a zone file has it (RFC 1035 section 5.1)."""
    return mark + "".join(map(_escaped, raw)) + mark


def _escaped(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03}"
