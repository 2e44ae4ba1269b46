"""Takes the money and sends the mail, as shop-checkout does in Rust."""

import json
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports import environment, host, monotonic_clock, outgoing_handler
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.wasi_http_types import (
    Fields,
    IncomingBody,
    Method_Post,
    OutgoingBody,
    OutgoingRequest,
    Scheme_Http,
)

# What a seat costs.
CENTS = 4_000
SHOP = "http://127.0.0.1:7171"
# Bytes of an answer that are read at once.
PIECE = 65_536
PAUSE_NANOS = 100_000_000


def post(url: str, key: str, wish: dict) -> tuple[int, bytes]:
    """Sends JSON, and returns the status and the body of the answer."""
    place = urlsplit(url)
    headers = Fields.from_list(
        [("content-type", b"application/json"), ("idempotency-key", key.encode())]
    )
    request = OutgoingRequest(headers)
    request.set_method(Method_Post())
    request.set_scheme(Scheme_Http())
    request.set_authority(place.netloc)
    request.set_path_with_query(place.path)
    body = request.body()
    coming = outgoing_handler.handle(request, None)
    with body.write() as stream:
        stream.blocking_write_and_flush(json.dumps(wish).encode())
    OutgoingBody.finish(body, None)
    coming.subscribe().block()
    match coming.get():
        case Ok(Ok(response)):
            return response.status(), read(response.consume())
        case other:
            raise ConnectionError(str(other))


def read(body: IncomingBody) -> bytes:
    """Reads a body to its end."""
    pieces = b""
    with body.stream() as stream:
        while True:
            try:
                pieces += stream.blocking_read(PIECE)
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return pieces
                raise ConnectionError(str(error.value)) from error


def order(kind: str, wish: dict) -> dict:
    """Sends an order again until there is an answer: under the same key it is one order."""
    shop = dict(environment.get_environment()).get("SHOP", SHOP)
    drawn = host.generate_idempotency_key()
    key = f"{drawn.high_bits:016x}{drawn.low_bits:016x}"
    while True:
        try:
            status, body = post(f"{shop}/{kind}", key, wish)
            if 200 <= status < 300:
                return json.loads(body)
            if status != 503:
                # What is raised is the error of the result.
                raise Err(f"status {status}: {body.decode()}")
        except ConnectionError:
            pass
        monotonic_clock.subscribe_duration(PAUSE_NANOS).block()


class Checkout(exports.Checkout):
    def pay(self, customer: str, seats: list[str]) -> int:
        cents = CENTS * len(seats)
        payment = order("payments", {"customer": customer, "cents": cents})
        text = f"You have {', '.join(seats)} for {cents} cents."
        order("mails", {"to": customer, "text": text})
        return payment["id"]
