"""The files of a form: multipart/form-data, RFC 7578, https://www.rfc-editor.org/rfc/rfc7578."""

from email.message import Message

from service.errors import Invalid, Malformed


def files(body: bytes, parameters: str, most: int) -> list[bytes]:
    """Give the contents of a form's parts in their order, whatever they are called.

    Args:
        body: the whole body.
        parameters: what follows the media type in Content-Type; the boundary is among it.
        most: how many parts there may be.

    Raises:
        Malformed: there is no boundary, or the body is cut short.
        Invalid: there is no part, or there are too many.
    """
    boundary = _boundary(parameters)
    if not boundary:
        raise Malformed("the Content-Type of a form needs a boundary; let your HTTP library set it")
    _preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"), most + 2)
    if not parts or (len(parts) <= most + 1 and not parts[-1].startswith(b"--")):
        raise Malformed("the form does not end with its boundary; send all of it")
    if not 2 <= len(parts) <= most + 1:
        raise Invalid(f"send 1 to {most:,} files, each as a part of the form")
    contents = []
    for part in parts[:-1]:
        # Between the boundary and its line's end there may be blanks; a part without headers begins with an empty line.
        _head, found, content = part.partition(b"\r\n\r\n")
        if not found:
            raise Malformed("a part of the form has no empty line after its headers")
        contents.append(content)
    return contents


def _boundary(parameters: str) -> str:
    header = Message()
    header["Content-Type"] = f"multipart/form-data;{parameters}"
    return str(header.get_param("boundary", ""))
