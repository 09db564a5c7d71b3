"""How the console says no."""

from http import HTTPStatus

from aiohttp import web


def refusal(status: HTTPStatus, code: str, text: str) -> web.Response:
    """`code`: what the page has words for; `text`: for who reads it as it is."""
    return web.json_response({"code": code, "text": text}, status=status)


class Refused(Exception):
    """Raised where a response cannot be returned."""

    def __init__(self, status: HTTPStatus, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text

    def response(self) -> web.Response:
        return refusal(self.status, self.code, self.text)
