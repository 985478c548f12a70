-- KEYS: the record, the epoch, the quota. ARGV: limit, period, proof or nothing.
-- Returns the value and what was taken, or only the value, or nothing.
local value = redis.call('GET', KEYS[1])
require_primary()
if not value or (#value >= HEAD and not alive(value)) then
  return false
end
local damaged = #value < HEAD or value:byte(1) ~= LAYOUT
if damaged or (ARGV[3] and value:sub(33, 64) ~= ARGV[3]) then
  return {value}
end
return {value, take(KEYS[3], tonumber(ARGV[1]), tonumber(ARGV[2]), now_ms())}
