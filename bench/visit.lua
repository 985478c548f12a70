-- Sends each request as the next of the visitors in BENCH_VISITORS: "cookie<TAB>token<TAB>bearer".
local visitors, turn = {}, 0
local method, path = os.getenv("BENCH_METHOD"), os.getenv("BENCH_PATH")

local function prepare(row)
  local cookie, token, bearer = row:match("([^\t]*)\t([^\t]*)\t([^\t]*)")
  local headers = {}
  if cookie ~= "" then headers["Cookie"] = cookie end
  if token ~= "" then headers["X-CSRF-Token"] = token headers["X-CSRFToken"] = token end
  if bearer ~= "" then headers["Authorization"] = "Bearer " .. bearer end
  local body = nil
  if method == "POST" then
    headers["Content-Type"] = "application/json"
    body = '{"text": "a note of about forty characters, no more"}'
  end
  visitors[#visitors + 1] = wrk.format(method, path, headers, body)
end

-- Not before: wrk adds the Host header only now.
function init()
  for row in io.lines(os.getenv("BENCH_VISITORS")) do prepare(row) end
end

function request()
  turn = turn % #visitors + 1
  return visitors[turn]
end

function done(summary)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read
  local rate = summary.requests / (summary.duration / 1e6)
  io.write(string.format("RESULT %f %d %d\n", rate, summary.requests, bad))
end
