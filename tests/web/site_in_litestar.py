"""The site of `sites.py` as a Litestar application, behind the ASGI middleware."""

from urllib.parse import parse_qs

from litestar import Litestar, Request, Response, WebSocket, get, post, route, websocket
from litestar.response import Stream

from holdfast.errors import HoldfastError
from holdfast.web import asgi
from web.site_work import FRESH, OWN_HEADERS, late_write, visits, work


def answered(request: Request, error: HoldfastError) -> Response:
    """Litestar makes an answer of whatever is raised; this one is the chain's."""
    reply = asgi.reply_to(request, error)
    return Response(reply.body, status_code=reply.status, headers=dict(reply.headers))


def site_in_litestar(assembly):
    @post("/login", status_code=200)
    async def login(request: Request) -> dict:
        asgi.session_of(request).sign_in((await request.json())["user"], role="admin")
        return {"success": True}

    @post("/form", status_code=200)
    async def form(request: Request) -> dict:
        fields = parse_qs((await request.body()).decode())
        asgi.session_of(request).sign_in(fields["user"][0])
        return {"success": True}

    @get("/callback")
    async def callback(request: Request) -> dict:
        asgi.session_of(request).sign_in(request.query_params["user"])
        return {"success": True}

    @post("/logout", status_code=200)
    async def logout(request: Request) -> dict:
        asgi.session_of(request).sign_out()
        return {"success": True}

    @post("/write", status_code=200)
    async def write(request: Request) -> dict:
        asgi.session_of(request).update(await request.json())
        return {"success": True}

    @post("/work")
    async def do_work(request: Request) -> Response[dict]:
        status = work(asgi.session_of(request), await request.json())
        return Response({"done": True}, status_code=status, headers=OWN_HEADERS)

    @get("/stream")
    async def stream(request: Request) -> Stream:
        session = asgi.session_of(request)

        async def lines():
            yield f"{session.subject}\n"
            yield late_write(session)

        return Stream(lines())

    @post("/tokens", status_code=200)
    async def tokens(request: Request) -> dict:
        return (await assembly.sessions.issue_tokens(asgi.require(request))).as_dict()

    @route("/checked", http_method=["POST", "GET"], status_code=200)
    async def checked(request: Request) -> dict:
        asgi.require_csrf(request)
        return {"success": True}

    @post("/echo", status_code=200)
    async def echo(request: Request) -> bytes:
        return await request.body()

    @get("/visits")
    async def count(request: Request) -> dict:
        return visits(asgi.session_of(request))

    @get("/me")
    async def me(request: Request) -> dict:
        return {"user": asgi.require(request).subject}

    @get("/fresh")
    async def fresh(request: Request) -> dict:
        return {"user": asgi.require_fresh(request, FRESH).subject}

    @get("/admin")
    async def admin(request: Request) -> dict:
        return {"user": asgi.require_role(request, "admin").subject}

    @get("/csrf")
    async def csrf(request: Request) -> dict:
        return {"token": asgi.csrf_token(request)}

    @get("/excluded")
    async def excluded(request: Request) -> dict:
        return {"user": asgi.session_of(request).subject}

    @get(["/open", "/healthz"])
    async def open_to_all() -> bytes:
        return b"open"

    @websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        session = asgi.session_of(socket)
        if socket.query_params.get("sign_in"):
            session.sign_in("bob")
        await socket.accept()
        await socket.send_text(f"{session.subject} {late_write(session)}")
        await socket.close()

    handlers = [login, form, callback, logout, write, do_work, stream, tokens, checked, echo]
    handlers += [count, me, fresh, admin, csrf, excluded, open_to_all, talk]
    app = Litestar(
        handlers,
        exception_handlers={HoldfastError: answered},
        logging_config=None,  # it would turn on logging for the whole process
        openapi_config=None,
    )
    return asgi.HoldfastMiddleware(app, assembly.chain)
