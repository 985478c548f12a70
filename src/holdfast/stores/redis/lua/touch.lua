-- KEYS: the record, the epoch. ARGV: seen, expires, address or nothing. Returns 1, or 0 if the record is gone.
local head = redis.call('GETRANGE', KEYS[1], 0, HEAD - 1)
if not alive(head) then
  return 0
end
require_known(head)
local seen, expires, _, length = struct.unpack('>I6I6c32I2', head, 21)
local new_seen, new_expires = tonumber(ARGV[1]), tonumber(ARGV[2])
if ARGV[3] and new_seen >= seen then
  local value = redis.call('GET', KEYS[1])
  local body = value:sub(67, #value - length)
  if not has(head, 4) or value:sub(#value - length + 1) ~= ARGV[3] then
    local flags = head:byte(2) + (has(head, 4) and 0 or 4)
    redis.call('SET', KEYS[1], head:sub(1, 1) .. string.char(flags) .. head:sub(3, 64)
      .. struct.pack('>I2', #ARGV[3]) .. body .. ARGV[3])
  end
end
if new_seen > seen or new_expires > expires then
  redis.call('SETRANGE', KEYS[1], 20,
    struct.pack('>I6I6', math.max(seen, new_seen), math.max(expires, new_expires)))
else
  require_primary()
end
return 1
