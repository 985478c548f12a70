"""The site of `sites.py` as a Quart application, behind the ASGI middleware."""

from urllib.parse import parse_qs

from quart import Quart, request, websocket

from holdfast.errors import HoldfastError
from holdfast.web import asgi
from web.site_work import FRESH, OWN_HEADERS, late_write, visits, work


def site_in_quart(assembly):
    app = Quart("site")
    app.asgi_app = asgi.HoldfastMiddleware(app.asgi_app, assembly.chain)

    @app.errorhandler(HoldfastError)
    async def answered(error):
        """Quart makes an answer of whatever is raised; this one is the chain's."""
        reply = asgi.reply_to(request, error)
        return reply.body, reply.status, list(reply.headers)

    @app.post("/login")
    async def login():
        asgi.session_of(request).sign_in((await request.get_json())["user"], role="admin")
        return {"success": True}

    @app.post("/form")
    async def form():
        fields = parse_qs(await request.get_data(as_text=True))
        asgi.session_of(request).sign_in(fields["user"][0])
        return {"success": True}

    @app.get("/callback")
    async def callback():
        asgi.session_of(request).sign_in(request.args["user"])
        return {"success": True}

    @app.post("/logout")
    async def logout():
        asgi.session_of(request).sign_out()
        return {"success": True}

    @app.post("/write")
    async def write():
        asgi.session_of(request).update(await request.get_json())
        return {"success": True}

    @app.post("/work")
    async def do_work():
        status = work(asgi.session_of(request), await request.get_json())
        return {"done": True}, status, OWN_HEADERS

    @app.get("/stream")
    async def stream():
        session = asgi.session_of(request)

        async def lines():
            yield f"{session.subject}\n"
            yield late_write(session)

        return lines()

    @app.post("/tokens")
    async def tokens():
        return (await assembly.sessions.issue_tokens(asgi.require(request))).as_dict()

    @app.route("/checked", methods=["POST", "GET"])
    async def checked():
        asgi.require_csrf(request)
        return {"success": True}

    @app.post("/echo")
    async def echo():
        return await request.get_data()

    @app.get("/visits")
    async def count():
        return visits(asgi.session_of(request))

    @app.get("/me")
    async def me():
        return {"user": asgi.require(request).subject}

    @app.get("/fresh")
    async def fresh():
        return {"user": asgi.require_fresh(request, FRESH).subject}

    @app.get("/admin")
    async def admin():
        return {"user": asgi.require_role(request, "admin").subject}

    @app.get("/csrf")
    async def csrf():
        return {"token": asgi.csrf_token(request)}

    @app.get("/excluded")
    async def excluded():
        return {"user": asgi.session_of(request).subject}

    @app.get("/open")
    @app.get("/healthz")
    async def open_to_all():
        return "open"

    @app.websocket("/ws")
    async def talk():
        session = asgi.session_of(websocket)
        if websocket.args.get("sign_in"):
            session.sign_in("bob")
        await websocket.accept()
        await websocket.send(f"{session.subject} {late_write(session)}")

    return app
