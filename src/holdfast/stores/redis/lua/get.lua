-- KEYS: the record, the epoch. Returns its value, or nothing.
local value = redis.call('GET', KEYS[1])
require_primary()
if not value or (#value >= HEAD and not alive(value)) then
  return false
end
return value
