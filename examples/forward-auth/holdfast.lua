-- Asks Holdfast whether a request may pass; whatever is no clear yes is an answer for the client.

local ADDRESS = os.getenv("HOLDFAST_FORWARD_AUTH")
local TIMEOUT_MS = 5000

-- What the decision needs of the request; its body stays here.
local PASSED_ON = {
    "accept", "authorization", "cookie", "host", "origin", "referer", "sec-fetch-site",
    "sec-websocket-key", "sec-websocket-version", "user-agent", "x-csrf-token", "x-forwarded-for",
    "x-forwarded-host", "x-forwarded-proto", "x-request-id",
}
local IDENTITY = {"x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-token"}
local NOT_FOR_CLIENTS = {
    ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
}

local function question(txn)
    local sent = txn.http:req_get_headers()
    local asked = {
        ["x-forwarded-method"] = {txn.sf:method()},
        ["x-forwarded-uri"] = {txn.sf:pathq()},
    }
    for _, name in ipairs(PASSED_ON) do
        if sent[name] then
            asked[name] = {}
            for index, value in pairs(sent[name]) do
                asked[name][index + 1] = value
            end
        end
    end
    return asked
end

local function refuse(txn, answer)
    local reply = txn:reply()
    reply:set_status(answer.status > 0 and answer.status or 503)
    for name, values in pairs(answer.headers or {}) do
        if not NOT_FOR_CLIENTS[name] then
            for _, value in pairs(values) do
                reply:add_header(name, value)
            end
        end
    end
    reply:set_body(answer.body or "")
    txn:done(reply)
end

core.register_action("holdfast", {"http-req"}, function(txn)
    local answer = core.httpclient():get{
        url = ADDRESS, headers = question(txn), timeout = TIMEOUT_MS,
    }
    if answer.status ~= 200 then
        return refuse(txn, answer)
    end
    for _, name in ipairs(IDENTITY) do
        local values = answer.headers[name]
        if values then
            txn.http:req_set_header(name, values[0] or values[1])
        end
    end
    txn:set_var("txn.holdfast_passes", true)
    local renewed = answer.headers["set-cookie"]
    if renewed then
        txn:set_var("txn.holdfast_cookie", renewed[0] or renewed[1])
    end
end)
