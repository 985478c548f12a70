"""A session that express-session with connect-redis has made, in Node."""

from nodejs import node

SECRET = "the old secret"
_SITE = """
const express = require('express'), session = require('express-session');
const { RedisStore } = require('connect-redis'), { createClient } = require('redis');
(async () => {
  const client = createClient({ url: process.argv[2] });
  await client.connect();
  const app = express();
  app.use(session({ store: new RedisStore({ client }), secret: process.argv[3],
                    resave: false, saveUninitialized: false }));
  app.get('/', (req, res) => { req.session.passport = { user: 'ada' }; req.session.cart = [1]; res.end(); });
  const server = app.listen(0, '127.0.0.1', async () => {
    const answer = await fetch(`http://127.0.0.1:${server.address().port}/`);
    console.log(answer.headers.get('set-cookie'));
    process.exit(0);
  });
})();
"""


def cookie_of(folder, url):
    """Its cookie; `folder` has the modules, `url` is that of the Redis."""
    folder.joinpath("site.js").write_text(_SITE)
    return node(folder, "site.js", url, SECRET).strip().partition(";")[0]
